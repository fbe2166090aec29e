import { granted, lives } from './device'

// The SDK as a module. It loads the same gate that the snippet loads and holds no logic of consent of its own.
// Importing it does nothing, also where there is no browser.

export interface Options {
  /** Id of the web deployment. */
  deployment: string
  /** Address of the Probity server; needed unless this file was itself loaded from there. */
  host?: string
  /** Language of the control, one of those built into Probity; English without it. */
  lang?: string
}

/** A call as `ac(...)` takes it: its name, then its arguments. */
export type Call = [name: string, ...args: unknown[]]

type Stub = ((...call: Call) => unknown) & { q?: ArrayLike<unknown>[] }

/** Null where there is no browser: on a server that renders pages. */
const page = (): (Window & { ac?: Stub }) | null => (typeof document == 'undefined' ? null : window)

let loading: Promise<void> | undefined

/**
 * Loads the gate, once however often it is called; fulfilled when it decides. Rejects when it could not be
 * loaded: then nothing is allowed and nothing is asked, and the next call tries again. On a server it does nothing.
 */
export const init = (options: Options): Promise<void> => {
  if (!page()) return Promise.resolve()
  const address = new URL('/journey/sdk/js/web/v1/ac.js', options.host || import.meta.url)
  address.searchParams.set('deployment', options.deployment)
  if (options.lang) address.searchParams.set('lang', options.lang)
  // As a module it needs no script element, which a Trusted Types policy could forbid.
  loading ||= import(/* webpackIgnore: true */ address.href).catch((error: unknown) => {
    loading = undefined
    throw error
  }) as Promise<void>
  return loading.then(() => {})
}

/** Makes a call. What is not allowed is refused and returns 'consent.required'; before the gate is there a call waits for its decision. */
export const ac = (...call: Call): unknown => {
  const win = page()
  if (!win) return
  win.ac ||= Object.assign((...c: Call) => void (win.ac!.q ||= []).push(c), { q: [] })
  return win.ac(...call)
}

/** Counts a page view; purpose `measure`. */
export const pageview = (options: object = {}): unknown => ac('pageview', options)

/** Records an event; purpose `actions`. */
export const record = (name: string, attributes: object = {}): unknown => ac('record', name, attributes)

/** Links the visit with a customer; purpose `identity`. */
export const identify = (id: string, traits: object = {}): unknown => ac('identify', id, traits)

/** Presses a control of the privacy choices, as a visitor does. */
const press = async (value: string): Promise<void> => {
  await loading
  const control = document.createElement('button')
  control.dataset['privacyChoices'] = value
  control.hidden = true
  document.body.append(control)
  control.click()
  control.remove()
}

/** What the visitor agreed to. */
export const consent = {
  /** Ids of the purposes that are granted on this device and still hold; empty on a server. The server decides again. */
  granted: (): string[] => (page() && lives() ? granted() : []),
  /** Opens the privacy choices. */
  open: (): Promise<void> => press(''),
  /** Takes everything back, at once. */
  withdraw: (): Promise<void> => press('withdraw'),
  /** Calls back with what is granted after every choice, in this tab or another; returns what ends that. */
  onChange: (fn: (granted: string[]) => void): (() => void) => {
    if (!page()) return () => {}
    const channel = new BroadcastChannel('probity')
    channel.onmessage = () => fn(consent.granted())
    return () => channel.close()
  },
}
