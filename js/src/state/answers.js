/**
 * The kernel's answers to requests that are no part of the annotation. `client` and `n` name the
 * request.
 *
 * @typedef {import("../pixels/mask.js").Mask} Mask
 *
 * @typedef {{ client: string, n: number, mask: Mask | null, score: number | null }} Preview
 * @typedef {{ client: string, n: number, x: number, y: number, values: number[] }} ProbeAnswer
 * @typedef {{ client: string, n: number, name: string, mime: string, size: number, parts: number }} FileAnswer no parts: it could not be made
 * @typedef {{ client: string, n: number, part: number, data: Uint8Array<ArrayBuffer> | null }} PartAnswer
 * @typedef {{ client: string, n: number, at: number, done: boolean }} UploadedAnswer
 * @typedef {{ col: number, row: number, mime: string, data: Uint8Array<ArrayBuffer> }} Tile
 * @typedef {{ client: string, plane: number, level: number, tiles: Tile[] }} TilesMessage
 * @typedef {{ number: number | null, color: string, mask: Mask }} FrameObject
 * @typedef {{ width: number, height: number, mime: string, data: Uint8Array<ArrayBuffer> }} FramePicture width, height: of the image
 * @typedef {{ client: string, n: number, plane: number, picture: FramePicture | null, objects: FrameObject[], error: string }} FrameAnswer a frame that is played; objects from bottom to top
 *
 * @typedef {object} Answers by the names of their messages
 * @property {Preview} preview
 * @property {ProbeAnswer} probe
 * @property {FileAnswer} file
 * @property {PartAnswer} part
 * @property {UploadedAnswer} uploaded
 * @property {TilesMessage} tiles
 * @property {FrameAnswer} frame
 * @typedef {keyof Answers} AnswerType
 */

export {};
