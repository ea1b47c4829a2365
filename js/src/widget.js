/** The anywidget module: one store a model, one view a display of it. */
import { connect } from "./link.js";
import { mountView } from "./view.js";

export default () => {
  /** @type {import("./store.js").Store | undefined} */
  let store;

  /** @type {import("@anywidget/types").AnyWidget} */
  const widget = {
    // Never asynchronous: the notebook's messages wait for it.
    initialize({ model, signal }) {
      store = connect(model, signal);
    },
    render({ model, el, signal }) {
      store ??= connect(model, signal);
      mountView(el, store, signal);
    },
  };
  return widget;
};
