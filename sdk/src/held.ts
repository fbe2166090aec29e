import type { Page } from './page'
import { record, reset, visitor } from './device'
import { ask } from './wire'

// What few visitors need, and only after a choice: the receipt of it, an objection, and the answer of the
// server when the device and it are of two minds.

export interface State {
  purposes?: Record<string, { status: string; since?: string; notice_version?: number; record_id?: string }>
}

const API = '/probity/v1/consent/'

/**
 * Brings the device in line with the server. What the visitor took back stays taken back, and nobody asks again;
 * a grant that ended because the notice changed, or that the server no longer knows, is asked for anew, and then
 * the answer is true.
 */
const mend = (page: Page, state: State): boolean => {
  const held = Object.entries(state.purposes || {})
  const given = held.filter(([, s]) => s.status == 'ConsentGiven').map(([p]) => p)
  const anew = !given[0] && !held.some(([, s]) => /Withdrawn|Refused|Objected/.test(s.status))
  if (anew) reset()
  else record(given, visitor())
  // A server that refuses what it says is granted is not asked again on this page.
  if (!given.includes('measure')) page.apply_()
  return anew
}

/** Objects to a purpose that rests on another basis than consent; rejects when it could not be recorded. */
const object = async (page: Page, purpose: string, event: Event): Promise<void> => {
  const r = await ask(page, API + 'object', {
    deployment: page.id_,
    visitor: visitor(),
    purposes: [purpose],
    ui: { component: 'preferences', action: 'save', trusted: event.isTrusted },
    client_time: new Date().toISOString(),
  })
  if (!r.ok) throw r.status
}

/** Hands out the receipt of the choice made on this page, or of the record that holds. */
const keep = async (page: Page, receipt?: unknown, record_id?: string): Promise<void> => {
  const content = receipt
    ? new Blob([JSON.stringify(receipt, null, 1)])
    : await (await ask(page, API + 'receipt', { deployment: page.id_, visitor: visitor(), record_id })).blob()
  const link = document.createElement('a')
  link.href = URL.createObjectURL(content)
  link.download = 'consent-receipt.json'
  link.click()
  URL.revokeObjectURL(link.href)
}

export default { mend_: mend, object_: object, keep_: keep }
