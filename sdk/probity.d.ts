/** How the SDK is installed as a module. */
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

/**
 * Loads the gate, once however often it is called; fulfilled when it decides. Rejects when it could not be
 * loaded: then nothing is allowed and nothing is asked, and the next call tries again. On a server it does nothing.
 */
export declare const init: (options: Options) => Promise<void>

/** Makes a call. What is not allowed is refused and returns 'consent.required'; before the gate is there a call waits for its decision. */
export declare const ac: (...call: Call) => unknown

/** Counts a page view; purpose `measure`. */
export declare const pageview: (options?: object) => unknown

/** Records an event; purpose `actions`. */
export declare const record: (name: string, attributes?: object) => unknown

/** Links the visit with a customer; purpose `identity`. */
export declare const identify: (id: string, traits?: object) => unknown

/** What the visitor agreed to. */
export declare const consent: {
  /** Ids of the purposes that are granted on this device and still hold; empty on a server. The server decides again. */
  granted(): string[]
  /** Opens the privacy choices. */
  open(): Promise<void>
  /** Takes everything back, at once. */
  withdraw(): Promise<void>
  /** Calls back with what is granted after every choice, in this tab or another; returns what ends that. */
  onChange(fn: (granted: string[]) => void): () => void
}
