/** One queued or live call of `ac(...)` or `Genesys(...)`: its arguments as the page wrote them. */
export type Call = ArrayLike<unknown>

/** Why a call was refused; it is returned to the caller and nothing else is kept. */
export const REFUSED = 'consent.required'

/** Names of the calls that tell what a visitor does; all others set things up. */
export const BEHAVIOUR = /record|ident|pagev/

/**
 * What the gate shares with the files it loads. It lives in page memory only and ends with the page.
 * Names that end in an underscore are shortened by the build, alike in every file.
 */
export interface Page {
  /** Origin that serves the SDK and its API. */
  readonly base_: string
  /** Web deployment; empty until `init`, the script tag or the messenger snippet named it. */
  id_?: string | undefined
  /** True when there is a choice that can be acted on: well-formed and younger than its life. */
  valid_: boolean
  /** Visitor id, when the choice is valid and includes measuring; else empty, false or undefined. */
  visitor_: string | false | undefined
  /**
   * Calls not yet handled: set-up calls, which hold no behaviour, and the behaviour between a known grant
   * and the arrival of the tracker. Once the tracker ran, only set-up calls stay, for the next start.
   */
  calls_: Call[]
  /** Set by the tracker while it runs: handles one call. */
  run_?: ((call: Call) => unknown) | undefined
  /** Set by the tracker while it runs: stops it at once. */
  stop_?: (() => void) | undefined
  /** Reads the choice again and acts on it: tracker, banner or neither. */
  readonly apply_: () => void
}

/** What a lazily loaded file exports. */
export interface Part {
  default(page: Page, command?: string): unknown
}
