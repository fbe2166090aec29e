import type { Page } from './page'
import { forget, granted, record, reset, stored, visitor } from './device'
import { stylesheet } from './dom'
import { type Notice, type View, asked, say, show } from './view'
import { ask } from './wire'

// Asks for a choice, shows the one that holds, and takes it back.
// Nothing leaves the page before the visitor presses a button: even the nonce that ties the choice
// to the notice is fetched on that press. The only thing fetched before is the notice, alike for all.

interface Outcome {
  visitor: string | null
  purposes: Record<string, boolean>
  receipt?: unknown
}

interface State {
  purposes?: Record<string, { status: string; since?: string; notice_version?: number; record_id?: string }>
}

const API = '/probity/v1/'

let view: View | undefined
let opening = false
let delivering = false
/** The visitor has answered on this page: where nothing can be remembered, nobody is asked again at once. */
let answered = false
let styled: Promise<unknown> | undefined
/** Receipt of the choice made on this page; the only one that a refusal has. */
let receipt: unknown

/**
 * Without a command: asks if no choice holds, and delivers a withdrawal that the server has not confirmed yet.
 * `withdraw` takes everything back at once; `keep` and a list of purposes takes back the others, because the
 * server did; `lost` asks the server what holds, because it refused an event; any other command opens the privacy choices.
 */
export default async (page: Page, command?: string): Promise<void> => {
  const asking = command == null
  const keep = /^keep ?(.*)/.exec(command || '')
  if (keep) {
    record(keep[1] ? keep[1].split(',') : [], visitor())
    return page.apply_()
  }
  if (command == 'lost') return mend(page)
  if (asking && page.valid_ && !granted().includes('measure')) return deliver(page)
  if (!asking) view?.close_()
  if (view || opening || (asking && answered)) return
  opening = true
  try {
    if (command == 'withdraw') {
      withdraw(page, { action: 'withdraw_all' })
      page.apply_()
      say((await fetchNotice(page)).labels['saved']!)
    } else await open(page, asking)
  } catch {
    // Without a notice there is nothing to ask; without a choice nothing is allowed.
  } finally {
    opening = false
  }
}

const json = async <T>(response: Promise<Response>): Promise<T> => {
  const r = await response
  if (!r.ok) throw r.status
  return (await r.json()) as T
}

const fetchNotice = (page: Page): Promise<Notice> => {
  styled ||= stylesheet(page, 'banner')
  const lang = (document.documentElement.lang || navigator.language).split('-')[0]!
  return json<Notice>(ask(page, API + 'deployments/' + page.id_ + '/notice?lang=' + lang)).then((notice) => ({
    ...notice,
    details_url: new URL(notice.details_url, page.base_).href,
  }))
}

const fetchState = (page: Page): Promise<State> => json(ask(page, API + 'consent/state', { deployment: page.id_, visitor: visitor() }))

/**
 * Brings the device in line with the server. What the visitor took back stays taken back, and nobody asks again;
 * a grant that ended because the notice changed, or that the server no longer knows, is asked for anew.
 */
const mend = async (page: Page): Promise<void> => {
  const held = Object.entries((await fetchState(page)).purposes || {})
  const given = held.filter(([, s]) => s.status == 'ConsentGiven').map(([p]) => p)
  if (given[0] || held.some(([, s]) => /Withdrawn|Refused|Objected/.test(s.status))) record(given, visitor())
  else {
    reset()
    answered = false
  }
  // A server that refuses what it says is granted is not asked again on this page.
  if (!given.includes('measure')) page.apply_()
}

const open = async (page: Page, asking: boolean): Promise<void> => {
  const id = visitor()
  const had = asking ? [] : granted()
  const [notice, state] = await Promise.all([
    fetchNotice(page),
    asking || !id ? undefined : fetchState(page).catch(() => undefined),
  ])
  await styled
  // Another tab was faster.
  if (asking && page.valid_ && stored() && (page.visitor_ || !granted()[0])) return
  const held = Object.values(state?.purposes || {}).find((p) => p.record_id)
  const shown = performance.now()

  view = show(notice, {
    ask_: asking,
    on_: had,
    since_: page.valid_ ? held?.since || stored().slice(-8).replace(/(....)(..)/, '$1-$2-') : '',
    version_: held?.notice_version,
    receipt_: receipt || held ? () => download(page, id, held?.record_id) : undefined,
    object_: id
      ? async (purpose, event) => {
          await json(
            ask(page, API + 'consent/object', {
              deployment: page.id_,
              visitor: id,
              purposes: [purpose],
              ui: { component: 'preferences', action: 'save', trusted: event.isTrusted },
              client_time: new Date().toISOString(),
            }),
          )
          say(notice.labels['saved']!)
        }
      : undefined,
    closed_: () => (view = undefined),
    choose_: async (action, on, event) => {
      const ui = {
        component: asking ? 'banner' : 'preferences',
        action,
        dwell_ms: Math.round(performance.now() - shown),
        trusted: event.isTrusted,
        viewport: innerWidth < 480 ? 'm' : 'd',
      }
      const choose = async (): Promise<void> => {
        const { nonce } = await json<{ nonce: string }>(
          ask(page, API + 'consent/served', { deployment: page.id_, notice: notice.id, version: notice.version, language: notice.language }),
        )
        const out = await json<Outcome>(
          ask(page, API + 'consent/choices', {
            deployment: page.id_,
            nonce,
            visitor: id || null,
            purposes: Object.fromEntries(asked(notice).map((p) => [p.id, on.includes(p.id)])),
            ui,
            client_time: new Date().toISOString(),
          }),
        )
        receipt = out.receipt
        if (on[0]) record(on.filter((p) => out.purposes[p]), out.visitor)
      }
      // Less than before, or nothing at all, holds at once, whether or not the server can be reached.
      if (id && had[0] && on.every((p) => had.includes(p))) withdraw(page, ui, on)
      else if (on[0]) await choose()
      else {
        record([])
        choose().catch(() => {})
      }
      answered = true
      page.apply_()
      view?.close_()
      say(notice.labels['saved']!)
    },
  })
}

/**
 * Stops at once, here and in all tabs, then tells the server. Until the server has confirmed, the visitor id
 * stays beside a choice that allows nothing; the network's return or the next page delivers it.
 */
const withdraw = (page: Page, ui: object, on: string[] = []): void => {
  const purposes = on[0] ? granted().filter((p) => !on.includes(p)) : undefined
  record(on, visitor(), true)
  if (!on.includes('measure')) page.stop_?.()
  deliver(page, { purposes, ui: { component: 'preferences', ...ui }, client_time: new Date().toISOString() })
}

/** Tells the server what was withdrawn, once, and deletes the visitor id when it has heard. */
const deliver = async (page: Page, body?: object): Promise<void> => {
  const id = visitor()
  if (!id || delivering) return
  delivering = true
  try {
    const r = await ask(page, API + 'consent/withdraw', {
      deployment: page.id_,
      visitor: id,
      ui: { component: 'preferences', action: 'withdraw_all' },
      client_time: new Date().toISOString(),
      ...body,
    })
    if (r.status == 429 || r.status > 499) throw r.status
    if (!granted().includes('measure')) forget()
  } catch {
    addEventListener('online', () => deliver(page, body), { once: true })
  }
  delivering = false
}

const download = async (page: Page, visitor?: string, record_id?: string): Promise<void> => {
  const content = receipt ? new Blob([JSON.stringify(receipt, null, 1)]) : await (await ask(page, API + 'consent/receipt', { deployment: page.id_, visitor, record_id })).blob()
  const link = document.createElement('a')
  link.href = URL.createObjectURL(content)
  link.download = 'consent-receipt.json'
  link.click()
  URL.revokeObjectURL(link.href)
}
