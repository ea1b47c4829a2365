/** Icons on a 16 x 16 grid, drawn with the text's own colour. */
const SVG = "http://www.w3.org/2000/svg";

const PATHS = {
  undo: "M6.2 3.2 3 6.4l3.2 3.2M3.4 6.4h5.7a3.6 3.6 0 0 1 0 7.2H7.2",
  redo: "m9.8 3.2 3.2 3.2-3.2 3.2m2.8-3.2H6.9a3.6 3.6 0 0 0 0 7.2h1.9",
  commit: "m2.8 8.6 3.4 3.4 7-7.6",
  delete: "M3 4.5h10M6.3 4.3V2.8h3.4v1.5M4.4 4.7l.6 8.5h6l.6-8.5M6.9 7.2v3.6m2.2-3.6v3.6",
  clear: "m6.1 13.2-3.3-3.3a1.1 1.1 0 0 1 0-1.6l5.3-5.4a1.1 1.1 0 0 1 1.6 0l3.5 3.5a1.1 1.1 0 0 1 0 1.6l-5.2 5.2zM5.4 5.8l4.9 4.9M6.1 13.2h7",
  help: "M6 6.1a2 2 0 1 1 2.9 1.8c-.6.3-.9.7-.9 1.4m0 2.2v.1M14 8A6 6 0 1 1 2 8a6 6 0 0 1 12 0z",
  close: "m4.5 4.5 7 7m0-7-7 7",
  warning: "M8 2.6 14.2 13H1.8zM8 6.4v3.2m0 1.7v.1",
  plus: "M8 3.8v8.4M3.8 8h8.4",
  minus: "M3.8 8h8.4",
};

/** @typedef {keyof typeof PATHS} IconName */

/** @param {IconName} name @returns {SVGElement} */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", PATHS[name]);
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("aria-hidden", "true");
  svg.classList.add("sam2-icon", `sam2-icon-${name}`);
  svg.append(path);
  return svg;
}
