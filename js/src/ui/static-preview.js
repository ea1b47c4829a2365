/**
 * The saved notebook contains a picture of the image, for pages without a kernel. It is an output of its
 * own below the widget, and is hidden while a display of the widget exists.
 *
 * @param {string} key of the widget
 * @param {AbortSignal} signal aborted when the display is removed
 */
export function hideStaticPreview(key, signal) {
  if (!key) return;
  const picture = `[data-sam2-picture="${CSS.escape(key)}"]`;
  // Two rules, because a browser without `:has` ignores a rule with it. Only children, because the picture
  // may be in an Output widget, which is inside another output.
  const hidden = "{ display: none !important; }";
  const style = document.createElement("style");
  style.textContent = `${picture} ${hidden} .jp-OutputArea-child:has(> .jp-OutputArea-output > ${picture}) ${hidden}`;
  document.head.append(style);
  signal.addEventListener("abort", () => style.remove());
}

/**
 * Whether the page was made from a notebook file and has no kernel, as pages by nbconvert and Sphinx:
 * there the picture shows more than the widget's initial state.
 *
 * @param {any} model
 * @returns {Promise<boolean> | false}
 */
export function isStaticPage(model) {
  const manager = model.widget_manager;
  // Jupyter's widget managers have a kernel; other hosts do not have the method, or have open comms.
  if (!manager || manager.kernel || typeof manager._get_comm_info !== "function") return false;
  return Promise.resolve()
    .then(() => manager._get_comm_info())
    .then(
      (comms) => Object.keys(comms).length === 0,
      () => false,
    );
}
