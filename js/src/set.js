/**
 * The anywidget module of a set's page: bar, search, strip of images and details, above the widget that
 * shows the image. One store for each model, one view for each display of it.
 *
 * Its parts are in `set/`, which may import from all folders that `widget.js` lists, and which nothing
 * but this module imports from (held by `tests/imports.test.js`).
 *
 * @typedef {import("@anywidget/types").AnyModel<import("./protocol/sent.d.ts").SetModelTraits>} Model
 */
import { connectSet } from "./set/link.js";
import { mountSetView } from "./set/view.js";

export default () => {
  /** @type {import("./set/store.js").SetStore | undefined} */
  let store;

  /** @type {import("@anywidget/types").AnyWidget} */
  const widget = {
    // Never asynchronous: Jupyter's messages wait until it has returned.
    initialize({ model, signal }) {
      store = connectSet(/** @type {Model} */ (model), signal);
    },
    render({ model, el, signal }) {
      store ??= connectSet(/** @type {Model} */ (model), signal);
      mountSetView(el, store, signal);
    },
  };
  return widget;
};
