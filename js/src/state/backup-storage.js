/**
 * Backups of prompts, by image and widget: in the memory of the page and, as far as there is room, in the
 * tab's storage, which survives a reload.
 *
 * @typedef {object} Backup
 * @property {string} key of the image
 * @property {string} owner of the widget
 * @property {number} time of the last change, in ms since 1970
 * @property {number} count of objects
 * @property {string} file of prompts
 */

const PREFIX = "sam2-widget-prompts-";

/** The memory is shared by all widgets of a page, each of which may have its own copy of this module. */
const MEMORY = Symbol.for("sam2-widget.prompts");

/** Characters of all backups in memory, and of one in the tab's storage, which has room for about 5 million. */
const MAX_MEMORY = 64 * 2 ** 20;
const MAX_STORED = 2 ** 20;

/** Backups of one image. */
const MAX_PER_IMAGE = 5;

const page = /** @type {any} */ (globalThis);

/** @returns {Map<string, Backup>} */
const pageMemory = () => (page[MEMORY] ??= new Map());

/** @param {Pick<Backup, "key" | "owner">} entry */
const keyOf = ({ key, owner }) => `${key}-${owner}`;

/** @param {Backup} entry */
const toText = ({ time, count, file }) => `${time} ${count}\n${file}`;

/** @param {string} name @param {string} text @returns {Backup | null} */
function parse(name, text) {
  const found = /^(\d{1,16}) (\d{1,16})\n/.exec(text);
  const [key, owner] = name.split("-");
  return found && owner
    ? {
        key,
        owner,
        time: Number(found[1]),
        count: Number(found[2]),
        file: text.slice(found[0].length),
      }
    : null;
}

/**
 * @param {() => Storage} [storage] of the tab; it throws where it is not allowed, as in some frames
 * @param {Map<string, Backup>} [memory]
 */
export function createBackupStorage(storage = () => sessionStorage, memory = pageMemory()) {
  /** @returns {Backup[]} */
  function stored() {
    try {
      const names = Object.keys(storage()).filter((name) => name.startsWith(PREFIX));
      return names.flatMap(
        (name) => parse(name.slice(PREFIX.length), storage().getItem(name) ?? "") ?? [],
      );
    } catch {
      return [];
    }
  }

  /** @param {Backup} entry */
  function removeStored(entry) {
    try {
      storage().removeItem(PREFIX + keyOf(entry));
    } catch {
      // Without a storage there is nothing to remove.
    }
  }

  /** Replaces the oldest backups if there is no room. @param {Backup} entry */
  function store(entry) {
    removeStored(entry);
    if (entry.file.length > MAX_STORED) return;
    const others = stored().sort((a, b) => a.time - b.time);
    for (;;) {
      try {
        return storage().setItem(PREFIX + keyOf(entry), toText(entry));
      } catch {
        const oldest = others.shift();
        if (!oldest) return;
        removeStored(oldest);
      }
    }
  }

  /** @param {string} key */
  function trim(key) {
    const oldest = [...memory.values()].sort((a, b) => a.time - b.time);
    const ofImage = oldest.filter((entry) => entry.key === key);
    for (const entry of ofImage.slice(0, -MAX_PER_IMAGE)) forget(entry);
    let size = [...memory.values()].reduce((sum, { file }) => sum + file.length, 0);
    while (size > MAX_MEMORY && oldest.length) {
      const entry = /** @type {Backup} */ (oldest.shift());
      size -= memory.get(keyOf(entry))?.file.length ?? 0;
      forget(entry);
    }
  }

  /** @param {Backup} entry */
  function forget(entry) {
    memory.delete(keyOf(entry));
    removeStored(entry);
  }

  return {
    /** @param {Backup} entry replaces the previous one of the same widget */
    put(entry) {
      memory.set(keyOf(entry), entry);
      store(entry);
      trim(entry.key);
    },

    /** @param {string} key @param {string} owner @returns {Backup | null} the backup of an image by a widget */
    find: (key, owner) =>
      memory.get(keyOf({ key, owner })) ??
      stored().find((entry) => entry.key === key && entry.owner === owner) ??
      null,

    /** @param {string} key @param {string} owner @returns {Backup | null} the newest backup of an image by another widget */
    newest(key, owner) {
      const all = new Map([...stored(), ...memory.values()].map((entry) => [keyOf(entry), entry]));
      const found = [...all.values()].filter(
        (entry) => entry.key === key && entry.owner !== owner && entry.count > 0,
      );
      return found.reduce(
        (/** @type {Backup | null} */ best, entry) =>
          best && best.time >= entry.time ? best : entry,
        null,
      );
    },
  };
}

/** @typedef {ReturnType<typeof createBackupStorage>} BackupStorage */
