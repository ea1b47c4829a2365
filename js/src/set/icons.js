/** The icons of a set's page. */
import {
  Check,
  ChevronLeft,
  ChevronRight,
  Circle,
  CircleCheck,
  CircleDashed,
  CircleDot,
  CircleSlash2,
  Flag,
  ImageOff,
  LayoutGrid,
  ListFilter,
  NotebookPen,
  SkipForward,
  X,
} from "lucide";
import { drawIcon } from "../ui/draw-icon.js";

const ICONS = {
  previous: ChevronLeft,
  next: ChevronRight,
  done: Check,
  skip: SkipForward,
  search: ListFilter,
  details: NotebookPen,
  clear: X,
  review: LayoutGrid,
  unreadable: ImageOff,
};

/** A shape for each state, beside its colour. @type {Record<import("./wire.js").State, typeof Circle>} */
const STATE_ICONS = {
  untouched: CircleDashed,
  "in progress": CircleDot,
  done: CircleCheck,
  empty: CircleSlash2,
  review: Flag,
  skipped: SkipForward,
};

/** @param {keyof typeof ICONS} name */
export const icon = (name) => drawIcon(ICONS[name], name);

/** @param {import("./wire.js").State} state */
export const stateIcon = (state) => drawIcon(STATE_ICONS[state], "state");
