/**
 * One display of a set's page: creates its elements and keeps them up to date.
 *
 * @typedef {import("./bar.js").Panel} Panel
 */
import { element, setAttribute, setText } from "../dom/elements.js";
import { followTheme } from "../ui/theme.js";
import { showTips } from "../ui/tips.js";
import { createBar } from "./bar.js";
import { createSetCommands } from "./commands.js";
import { createDetails } from "./details.js";
import { listenToSetKeys } from "./keys.js";
import { createReviewPanel } from "./review-panel.js";
import { createSearch, isSearching } from "./search.js";
import { createStrip } from "./strip.js";
import * as texts from "./texts.js";

/**
 * @param {HTMLElement} el
 * @param {import("./store.js").SetStore} store
 * @param {AbortSignal} signal
 */
export function mountSetView(el, store, signal) {
  let frame = 0;
  const { declared, search: searched, shown } = store.snapshot();
  /** @type {Record<Panel, boolean>} */
  const open = {
    search: isSearching(searched),
    details: declared.image.length + declared.object.length > 0 || shown.note !== "",
    review: store.review.isOpen(),
  };
  let seenSearch = searched;
  let spokenNumber = shown.number;
  const commands = createSetCommands(store);
  const bar = createBar({ commands, toggle, signal });
  const search = createSearch({
    search: commands.search,
    close: () => open.search && toggle("search"),
    signal,
  });
  const strip = createStrip({ store, show: commands.show, signal });
  const details = createDetails({ commands, changed: showUnsent, signal });
  const review = createReviewPanel({ store, signal });
  const message = element("div", { class: "sam2-set-message", role: "alert", hidden: true });
  const spoken = element("div", { class: "sam2-spoken", role: "status" });
  bar.progress.append(message);
  const root = element(
    "div",
    {
      class: "sam2-set sam2-ui",
      role: "group",
      "aria-label": texts.page,
      "data-lm-suppress-shortcuts": "true",
      "data-jp-suppress-context-menu": "",
    },
    element("div", { class: "sam2-natural-width", "aria-hidden": "true" }),
    element(
      "div",
      { class: "sam2-container" },
      bar.bar,
      bar.progress,
      search.node,
      strip.node,
      details.node,
      review.node,
    ),
    spoken,
  );

  listenToSetKeys(root, commands, signal);
  showTips(root, signal);
  store.subscribe(onChange, signal);
  signal.addEventListener("abort", () => cancelAnimationFrame(frame));
  document.addEventListener("visibilitychange", () => document.hidden && details.flush(), {
    signal,
  });
  const sizes = new ResizeObserver(schedule);
  sizes.observe(root);
  signal.addEventListener("abort", () => sizes.disconnect());
  el.classList.add("sam2-view");
  el.append(root);
  followTheme(root, () => {}, signal);
  render();

  /** @param {Panel} panel */
  function toggle(panel) {
    open[panel] = !open[panel];
    if (panel === "review") store.review.open(open.review);
    render();
    if (panel === "review" && open.review) review.focus();
    if (panel === "search" && open.search) search.focus();
    // What is not seen should not be in effect.
    if (panel === "search" && !open.search && isSearching(store.snapshot().search)) search.reset();
  }

  function onChange() {
    showUnsent();
    schedule();
  }

  /** At once, unlike everything else, so that a test sees whether what it did is stored. */
  function showUnsent() {
    const isTyping = details.isDirty() ? 1 : 0;
    setAttribute(root, "data-unsent", store.waiting().length + isTyping);
  }

  function schedule() {
    if (!frame && !signal.aborted) frame = requestAnimationFrame(render);
  }

  /** Read aloud which image is shown, when it is another one. @param {import("./store.js").Snapshot} snapshot */
  function announce({ shown: { number, name, state }, images }) {
    if (number === spokenNumber) return;
    spokenNumber = number;
    setText(spoken, texts.shown(number + 1, images.total, name, state));
  }

  function render() {
    frame = 0;
    const snapshot = store.snapshot();
    // A search made in Python, or in another view, is shown.
    if (snapshot.search !== seenSearch && isSearching(snapshot.search)) open.search = true;
    seenSearch = snapshot.search;
    bar.update(snapshot, open);
    search.node.hidden = !open.search;
    search.update(snapshot);
    strip.update();
    details.node.hidden = !open.details;
    details.update(snapshot);
    review.node.hidden = !open.review;
    if (open.review) review.update();
    strip.node.hidden = open.review;
    const text = snapshot.isDisconnected
      ? texts.disconnected
      : snapshot.notice || snapshot.progress.error;
    message.hidden = !text;
    setText(message, text);
    announce(snapshot);
    setAttribute(root, "data-shown", snapshot.shown.number);
    setAttribute(root, "data-state", snapshot.shown.state);
    setAttribute(root, "data-done", snapshot.progress.done);
    setAttribute(root, "data-matches", snapshot.images.matches);
    showUnsent();
  }
}
