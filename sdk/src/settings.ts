import type { Page } from './page'
import { ask } from './wire'

/** What the deployment says to every page alike. */
export interface Config {
  purposes?: { id: string; title: string; basis: string }[]
  /** In place of a frame that waits, with {site} and {purpose}. */
  blocked?: string
  allow?: string
  /** Said where scripts of other tools outlive a withdrawal, and the label of what loads the page anew then. */
  still?: string
  reload?: string
  /** The label of the control that takes everything back. */
  withdraw_all?: string
  /** The language of these words. */
  language?: string
  /** What Google calls a kind of consent, and the purpose that stands for it here. */
  consent_mode?: Record<string, string>
}

/** The language of the page. */
export const language = (document.documentElement.lang || navigator.language).split('-')[0]!

/** Asks the server's own interface; anything but an answer is thrown. */
export const json = async <T>(page: Page, path: string, body?: unknown): Promise<T> => {
  const r = await ask(page, '/probity/v1/' + path, body)
  if (!r.ok) throw r.status
  return (await r.json()) as T
}
