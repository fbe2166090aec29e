// What leaves the page is cut down first. The server does the same again, more thoroughly.

/** Which parts of an address may be kept; alike for all visitors of a deployment. Without them no query is kept. */
export interface Keys {
  query_keys?: string[]
  search_keys?: string[]
}

/** Hides e-mail addresses and numbers long enough to be a phone, an account or a card. */
export const mask = (text: string): string =>
  text.replace(/[\w.+%-]+(@|%40)[\w.-]+\.[a-z]+/gi, '(email)').replace(/\+?\d([ ().+]?\d){8,}/g, '(number)')

/**
 * The address without fragment, credentials and the query keys that nobody allowed, and what the visitor
 * searched for on the site, if anything.
 */
export const minimise = (href: string, keys: Keys): { url: string; search?: string | undefined } => {
  const url = new URL(href, location.href)
  const query = url.searchParams
  const searches = keys.search_keys || []
  const term = searches.map((key) => query.get(key)).find(Boolean)
  for (const name of [...query.keys()])
    if (![...searches, ...(keys.query_keys || [])].some((key) => name == key || (key.endsWith('*') && name.startsWith(key.slice(0, -1)))))
      query.delete(name)
  return { url: url.origin + mask(url.pathname + url.search), search: term ? mask(term) : undefined }
}
