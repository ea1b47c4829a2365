/**
 * What a page calls itself to the kernel: the tab it is in, which reloads leave as it is, a dot, and a
 * name of its own. What the user must be told is told to the tab.
 */
const KEY = "sam2-widget-tab";

/** Not crypto.randomUUID: it is missing on plain http, where many hubs live. */
const randomName = () => Math.random().toString(36).slice(2, 10).padEnd(8, "0");

/** @param {() => Storage} storage of the tab; it throws where it may not be used, as in some frames */
export function newClient(storage = () => sessionStorage) {
  return `${tabName(storage)}.${randomName()}`;
}

/** @param {string} client */
export const tabOf = (client) => client.split(".", 1)[0];

/** @param {() => Storage} storage */
function tabName(storage) {
  const name = randomName();
  try {
    const kept = storage().getItem(KEY);
    if (kept && /^[a-z0-9]{8}$/.test(kept)) return kept;
    storage().setItem(KEY, name);
  } catch {
    // Then a reload is a tab of its own.
  }
  return name;
}
