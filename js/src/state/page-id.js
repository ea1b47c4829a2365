/**
 * The id of a page: the id of its browser tab, which survives a reload, a dot, and an id of its own.
 * Notices to a user are addressed to the tab.
 */
const KEY = "sam2-widget-tab";

/** Not crypto.randomUUID: it is not available on plain http, which many hubs use. */
const randomName = () => Math.random().toString(36).slice(2, 10).padEnd(8, "0");

/** @param {() => Storage} storage of the tab; it throws where it is not allowed, as in some frames */
export function newPageId(storage = () => sessionStorage) {
  return `${tabName(storage)}.${randomName()}`;
}

/** @param {string} client */
export const tabOf = (client) => client.split(".", 1)[0];

/** @param {() => Storage} storage */
function tabName(storage) {
  const name = randomName();
  try {
    const stored = storage().getItem(KEY);
    if (stored && /^[a-z0-9]{8}$/.test(stored)) return stored;
    storage().setItem(KEY, name);
  } catch {
    // Then a reloaded page counts as another tab.
  }
  return name;
}
