/**
 * The anywidget module: one store for each model, one view for each display of it.
 *
 * The folders, each of which may import from those before it (held by `tests/imports.test.js`):
 * `dom/` helpers for elements; `pixels/` masks, their pixels and geometry, without a DOM; `state/` what
 * the widget shows and has to send, without Jupyter; `kernel/` traits and messages over the comm;
 * `stage/` the canvas with image, masks and marks; `input/` commands, keys and pointers; `ui/` everything
 * around the image, and all texts. `protocol/` has types only: of what crosses the comm.
 *
 * @typedef {import("@anywidget/types").AnyModel<import("./protocol/sent.d.ts").ModelTraits>} Model
 */
import { connect } from "./kernel/link.js";
import { hideStaticPreview, isStaticPage } from "./ui/static-preview.js";
import { mountView, newDisplayState } from "./ui/view.js";

export default () => {
  /** @type {import("./state/store.js").Store | undefined} */
  let store;
  const displayState = newDisplayState();

  /** @type {import("@anywidget/types").AnyWidget} */
  const widget = {
    // Never asynchronous: Jupyter's messages wait until it has returned.
    initialize({ model, signal }) {
      store = connect(/** @type {Model} */ (model), signal);
    },
    async render({ model, el, signal }) {
      store ??= connect(/** @type {Model} */ (model), signal);
      const staticPage = isStaticPage(model);
      // Without an unnecessary wait, so that the image is in the first frame.
      if (staticPage && (await staticPage)) return;
      hideStaticPreview(model.get("_picture_key"), signal);
      mountView(el, store, displayState, signal);
    },
  };
  return widget;
};
