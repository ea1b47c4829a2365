/**
 * The slider through the planes of a stack, below the image; dots mark the planes that have
 * objects. Nothing of it is there for a plain image.
 *
 * @typedef {import("./store.js").Snapshot} Snapshot
 */
import { iconButton, listenToButtons } from "./button.js";
import { enabledCommands } from "./commands.js";
import { element, setAttribute, setEnabled, setText } from "./dom.js";
import * as texts from "./texts.js";

/** More dots than these cannot be told apart. */
const MOST_DOTS = 400;

/**
 * @param {{ commands: import("./commands.js").Commands, focusStage: () => void, signal: AbortSignal }} options
 */
export function createPlaneBar({ commands, focusStage, signal }) {
  const buttons = { previousPlane: iconButton("previousPlane"), nextPlane: iconButton("nextPlane") };
  const slider = element("input", { type: "range", class: "sam2-slider", min: 0, step: 1, "data-option": "plane", "aria-label": texts.planes.title });
  const dots = element("span", { class: "sam2-plane-dots", "aria-hidden": "true" });
  const place = element("output", { class: "sam2-figure sam2-plane-place" });
  const bar = element("div", { class: "sam2-planes", role: "group", "aria-label": texts.planes.title, hidden: true },
    buttons.previousPlane, element("span", { class: "sam2-plane-track" }, dots, slider), buttons.nextPlane, place);
  let dotted = "";
  slider.addEventListener("input", () => commands.turnTo(slider.valueAsNumber), { signal });
  listenToButtons(bar, commands, focusStage, signal);

  /** @param {{ annotated: readonly number[], count: number }} stack */
  function dot({ annotated, count }) {
    const key = `${count}/${annotated.join()}`;
    if (key === dotted) return;
    dotted = key;
    const shown = annotated.slice(0, MOST_DOTS).map((at) => {
      const node = element("span");
      node.style.setProperty("--sam2-at", String(at / (count - 1)));
      return node;
    });
    dots.replaceChildren(...shown);
  }

  /** @param {Snapshot} snapshot */
  function update(snapshot) {
    const { stack, wantedPlane } = snapshot;
    bar.hidden = stack === null;
    if (!stack) return;
    const enabled = enabledCommands(snapshot);
    for (const name of /** @type {const} */ (["previousPlane", "nextPlane"])) setEnabled(buttons[name], enabled[name]);
    setAttribute(slider, "max", stack.count - 1);
    if (slider.valueAsNumber !== wantedPlane) slider.value = String(wantedPlane);
    setAttribute(slider, "aria-valuetext", texts.planes.spoken(stack.axis, wantedPlane, stack.count));
    setText(place, texts.planes.place(stack.axis, wantedPlane, stack.count));
    place.style.minWidth = `${texts.planes.place(stack.axis, stack.count - 1, stack.count).length}ch`;
    setAttribute(place, "data-tip", texts.planes.hint(wantedPlane));
    dot(stack);
  }

  return { bar, update };
}
