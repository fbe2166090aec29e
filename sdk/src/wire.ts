import type { Page } from './page'

/**
 * Asks the server without cookies, without the page's address and without a preflight: with a body it posts,
 * without one it gets. A request with `keepalive` outlives the page.
 */
export const ask = (page: Page, path: string, body?: unknown, signal?: AbortSignal, keepalive = true): Promise<Response> =>
  fetch(page.base_ + path, {
    method: body ? 'POST' : 'GET',
    body: JSON.stringify(body),
    keepalive,
    credentials: 'omit',
    referrerPolicy: 'no-referrer',
    signal: signal!,
  })
