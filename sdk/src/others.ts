import { erase, granted } from './device'
import { h } from './dom'
import type { Page } from './page'
import { type Config, json, language } from './settings'

// Other tools of the site, which wait for their purposes. It is fetched only where the page has an element
// with data-purpose. What names no purpose, or one that nobody can grant, never runs.

type Tool = HTMLScriptElement | HTMLIFrameElement | HTMLImageElement

/** Scripts that were let in. */
const ran = new Set<HTMLScriptElement>()
const placeholders = new WeakMap<Tool, HTMLElement>()
interface Rules {
  createScriptURL(url: string): string
  createScript(text: string): string
}
const same: Rules = { createScriptURL: (url) => url, createScript: (text) => text }
const win = window as { trustedTypes?: { createPolicy(name: string, rules: Rules): Rules } }

let page: Page
let config: Config | undefined
let fetching: Promise<unknown> | undefined
/** Tells Google what is granted, where the deployment says what it shall hear. */
let tell: (() => void) | undefined
let busy = false
/** What was last said to run on. */
let named = ''
let policy: Rules | undefined

const wants = (tool: Tool): string[] => tool.dataset['purpose']!.split(/\s+/).filter(Boolean)
const allowed = (purposes: string[]): boolean => page.valid_ && !!purposes[0] && purposes.every((p) => granted().includes(p))
const all = <T extends Tool>(selector: string): T[] => [...document.querySelectorAll<T>(selector)]

/** Looks again at what is granted: what no longer is stops at once, what now is runs in the order of the page. */
export default async (given: Page): Promise<void> => {
  page = given
  fetching ||= settle().catch(
    // Without the settings nothing is let in; the next look asks for them again.
    () => (fetching = undefined),
  )
  await fetching
  if (config) look()
}

const settle = async (): Promise<void> => {
  const c = await json<Config>(page, 'deployments/' + page.id_ + '/config?lang=' + language)
  const kinds = c.consent_mode
  if (kinds) {
    const google = (await import(page.base_ + '/probity/sdk/v1/google.js')) as typeof import('./google')
    tell = () => google.default((kind) => allowed([kinds[kind]!]), page.valid_)
  }
  config = c
  new MutationObserver(look).observe(document, { childList: true, subtree: true })
}

const look = (): void => {
  tell?.()
  all<HTMLIFrameElement | HTMLImageElement>('iframe[data-purpose],img[data-purpose]').forEach(content)
  // Only after a choice is anything on the device looked at.
  if (page.valid_)
    for (const tool of all<Tool>('[data-keys][data-purpose]'))
      if (!allowed(wants(tool))) clear(tool.dataset['keys']!)
  const still = [...ran].filter((s) => !allowed(wants(s))).map((s) => s.dataset['name'] || s.src || wants(s).join())
  // Once for each change: the page may well add words to itself when it hears of it, which brings us here again.
  if (named != (named = still.join(' '))) {
    // A page that says it in its own words keeps us from saying it too.
    const say = !!named && document.dispatchEvent(new CustomEvent('probity-still-running', { detail: still, cancelable: true }))
    import(page.base_ + '/probity/sdk/v1/still.js').then((m: typeof import('./still')) => m.default(config!, say))
  }
  if (!busy) scripts()
}

const clear = (keys: string): void =>
  erase(new RegExp('^(?!probity_)(' + keys.trim().replace(/[^\w\s*-]/g, '\\$&').replace(/\*/g, '.*').replace(/\s+/g, '|') + ')$'))

/** Runs what may run, one after the other as the page has them; each is asked about when its turn comes. */
const scripts = async (): Promise<void> => {
  busy = true
  for (let next; (next = all<HTMLScriptElement>('script[type="text/plain"][data-purpose]').find((s) => allowed(wants(s)))); ) await run(next)
  busy = false
}

const run = (old: HTMLScriptElement): Promise<unknown> =>
  new Promise((done) => {
    // A copy has all of its attributes, and the nonce too.
    const script = old.cloneNode(true) as HTMLScriptElement
    const { src, type } = old.dataset
    // One with its text in the page runs at once; a module of that kind takes its own time, as on any page.
    const waits = !old.hasAttribute('async') && (src || script.src)
    try {
      script.type = type || 'text/javascript'
      if (src) script.src = passed().createScriptURL(src)
      else if (!script.src) script.text = passed().createScript(old.text)
    } catch (e) {
      // The page's policy on Trusted Types has no place for us: say so, once.
      old.dataset['purpose'] = ''
      console.warn(e)
      return done(0)
    }
    script.async = old.hasAttribute('async')
    script.onload = script.onerror = done
    ran.add(script)
    old.replaceWith(script)
    if (!waits) done(0)
  })

/** Takes for Trusted Types what the page itself has in an inert script, and nothing else. */
const passed = (): Rules => (policy ||= win.trustedTypes ? win.trustedTypes.createPolicy('probity', same) : same)

const content = (tool: HTMLIFrameElement | HTMLImageElement): void => {
  const { src } = tool.dataset
  const shown = tool.hasAttribute('src')
  const purposes = wants(tool)
  if (allowed(purposes)) {
    if (!shown && src) tool.src = src
    if (placeholders.has(tool)) {
      placeholders.get(tool)!.remove()
      placeholders.delete(tool)
      tool.hidden = false
    }
  } else if (shown) {
    // A copy without a source in its place: what ran in the frame ends.
    const empty = tool.cloneNode() as typeof tool
    empty.removeAttribute('src')
    empty.dataset['src'] = src || tool.src
    tool.replaceWith(empty)
    content(empty)
  } else if (tool instanceof HTMLIFrameElement && src && purposes[0] && !tool.hidden) {
    const box = h('div', { class: 'probity-blocked' })
    import(page.base_ + '/probity/sdk/v1/placeholder.js').then((m: typeof import('./placeholder')) => m.default(page, config!, box, purposes, src))
    placeholders.set(tool, box)
    tool.before(box)
    tool.hidden = true
  }
}
