/**
 * Formats of the menu of files. Made from the registry of formats:
 * `python -m sam2_widget.export.format_docs` writes it; do not edit.
 */

export const formats = [
  { format: "coco", label: "COCO", type: "json", hint: "Exact masks as RLE, for training" },
  { format: "yolo", label: "YOLO", type: "zip", hint: "Outlines and the names of the classes" },
  { format: "voc", label: "Pascal VOC", type: "zip", hint: "Boxes and palette images" },
  { format: "labelme", label: "LabelMe", type: "json", hint: "Polygons, and bitmaps for masks with holes" },
  { format: "geojson", label: "GeoJSON", type: "json", hint: "Outlines with holes, for QGIS and QuPath" },
  { format: "tiff", label: "Label map", type: "tiff", hint: "The number of the object at each pixel, for ImageJ" },
  { format: "png", label: "Colored label map", type: "png", hint: "The label map as a palette image" },
  { format: "pngs", label: "Masks", type: "zip", hint: "A black and white PNG for each object" },
  { format: "npz", label: "NumPy", type: "npz", hint: "Everything, for numpy.load" },
  { format: "cutout", label: "Masked image", type: "png", hint: "The image inside the masks, transparent elsewhere" },
  { format: "csv", label: "Table", type: "csv", hint: "Label, score, area, box of each object" },
  { format: "prompts", label: "Prompts", type: "json", hint: "Points, boxes and strokes, which give the same masks again" },
];

export const stackFormats = [
  { format: "stack-tiff", label: "All label maps", type: "tiff", hint: "The label maps of all planes" },
  { format: "stack-prompts", label: "All prompts", type: "json", hint: "The prompts on all planes, which give the same masks again" },
  { format: "tracks-coco", label: "Tracks", type: "json", hint: "COCO as YouTube-VIS has it: the masks of all planes as RLE, for training" },
  { format: "tracks-mots", label: "MOTS", type: "txt", hint: "The masks of all planes as text" },
  { format: "tracks-csv", label: "Tracks", type: "csv", hint: "Frame, id, label, score, area, box and mask of each object" },
  { format: "tracks-npz", label: "Volume", type: "npz", hint: "The label maps of all planes, for numpy.load" },
  { format: "tracks-pngs", label: "Label maps", type: "zip", hint: "A PNG for each plane, as DAVIS has it" },
  { format: "tracks-overlay", label: "Video", type: "mp4", hint: "The planes with the masks over them" },
];

/** Suffixes that the file dialog offers; the kernel finds out what a file is. */
export const acceptedSuffixes = ".json,.geojson,.txt,.tif,.tiff,.png,.bmp,.gif,.webp,.npz,.npy,.zip,.csv";
