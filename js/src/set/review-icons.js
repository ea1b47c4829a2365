/** The icons of a review. */
import {
  ArrowDownWideNarrow,
  Check,
  CheckCheck,
  CircleOff,
  ImageOff,
  Ruler,
  Trash2,
  Undo2,
} from "lucide";
import { drawIcon } from "../ui/draw-icon.js";

const ICONS = {
  descending: ArrowDownWideNarrow,
  accept: Check,
  reject: CircleOff,
  delete: Trash2,
  undo: Undo2,
  selectAll: CheckCheck,
  measure: Ruler,
  unreadable: ImageOff,
};

/** @param {keyof typeof ICONS} name */
export const icon = (name) => drawIcon(ICONS[name], name);
