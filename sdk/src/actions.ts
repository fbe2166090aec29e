import type { Page } from './page'
import { ask } from './wire'

/** What the server offers, as on the wire. */
export interface Action {
  id: string
  mediaType: string
  actionMapId: string
  actionMapVersion: number
  sessionId: string
  contentOfferProperties?: unknown
}

/** What became of an action, as pages report it and listeners hear it. */
export interface ActionState extends Partial<Action> {
  actionId: string
  actionState: string
  errorCode?: string
  errorMessage?: string
}

/** What the offer file exports. */
export interface Renderer {
  default(page: Page, offer: unknown, report: (state: string) => unknown, signal: AbortSignal): void
}

type Listener = [how: string, event: string, fn: (payload: unknown) => void]

export interface Bus {
  /** Adds or removes a listener: `on`, `once`, `off`, or `subscribe` of the messenger. */
  listen_: (...l: Listener) => void
  ready_: () => void
  offer_: (action: Action) => void
  report_: (state: ActionState) => void
}

/** Shows offers, tells the page about them and reports what became of them. */
export const actions = (page: Page, signal: AbortSignal, allowed: (purpose: string) => boolean): Bus => {
  let listeners: Listener[] = []
  let ready = false
  const seen: Record<string, Action> = {}

  const tell = (event: string, payload: unknown): void =>
    listeners.forEach((l) => {
      if (l[1] == event) {
        if (l[0] == 'once') listeners = listeners.filter((x) => x != l)
        l[2](l[0] == 'subscribe' ? { data: payload } : payload)
      }
    })
  const report = (state: ActionState): void => {
    const action = { ...seen[state.actionId], ...state }
    const { actionId, actionState, errorCode, errorMessage, sessionId } = action
    ask(page, '/api/v2/journey/deployments/' + page.id_ + '/actionevent', { sessionId, actionId, actionState, errorCode, errorMessage }, signal).catch(() => {})
    tell(action.mediaType + ':' + actionState, { ...action, actionMediaType: action.mediaType })
  }
  return {
    listen_: (...l) => {
      if (l[0] == 'off') listeners = listeners.filter((x) => x[1] != l[1] || (l[2] && x[2] != l[2]))
      else {
        listeners = [...listeners, l]
        if (ready && l[1] == 'Journey.ready') l[2]({})
      }
    },
    ready_: () => {
      ready = true
      tell('Journey.ready', {})
    },
    offer_: (action) => {
      if (seen[action.id] || !['support', 'sales', 'marketing'].some(allowed)) return
      const end = (actionState: string): void => report({ actionId: action.id, actionState })
      seen[action.id] = action
      tell('Journey.qualified' + action.mediaType.replace(/^./, (c) => c.toUpperCase()), { ...action, journeyContext: { triggeringAction: { id: action.id } } })
      if (action.contentOfferProperties)
        import(page.base_ + '/probity/sdk/v1/offer.js').then(
          (r: Renderer) => signal.aborted || r.default(page, action.contentOfferProperties, end, signal),
          () => end('errored'),
        )
    },
    report_: report,
  }
}
