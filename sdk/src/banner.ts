import type { Page } from './page'
import type Age from './age'
import { forget, granted, record, stored, visitor, waiting } from './device'
import { stylesheet } from './dom'
import type Held from './held'
import type { State } from './held'
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
  if (command == 'lost') {
    // Who is asked anew has not answered yet.
    if ((await held(page)).mend_(page, await fetchState(page))) answered = false
    return
  }
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

/** Loads what few visitors need, when one does. */
const rare = async <T>(page: Page, name: string): Promise<T> => ((await import(page.base_ + '/probity/sdk/v1/' + name + '.js')) as { default: T }).default
const held = (page: Page): Promise<typeof Held> => rare(page, 'held')
const age = (page: Page): Promise<typeof Age> => rare(page, 'age')

const open = async (page: Page, asking: boolean): Promise<void> => {
  if (!asking && waiting()) await (await age(page)).resume_(page)
  const id = visitor()
  const had = asking ? [] : granted()
  const [notice, state] = await Promise.all([
    fetchNotice(page),
    asking || !id ? undefined : fetchState(page).catch(() => undefined),
  ])
  await styled
  // Another tab was faster.
  if (asking && page.valid_ && stored() && (page.visitor_ || !granted()[0])) return
  const now = Object.values(state?.purposes || {}).find((p) => p.record_id)
  const shown = performance.now()

  view = show(notice, {
    ask_: asking,
    on_: had,
    since_: page.valid_ ? now?.since || stored().slice(-8).replace(/(....)(..)/, '$1-$2-') : '',
    version_: now?.notice_version,
    receipt_: receipt || now ? async () => (await held(page)).keep_(page, receipt, now?.record_id) : undefined,
    object_: id
      ? async (purpose, event) => {
          await (await held(page)).object_(page, purpose, event)
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
      // Which theme was seen: it may have been replaced since this page was opened.
      const look = getComputedStyle(document.querySelector('.probity')!).getPropertyValue('--look')
      const choose = async (more?: object): Promise<void> => {
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
            look,
            ...more,
          }),
        )
        receipt = out.receipt
        if (on[0]) record(on.filter((p) => out.purposes[p]), out.visitor)
      }
      const done = (): void => {
        answered = true
        page.apply_()
        view?.close_()
        say(notice.labels['saved']!)
      }
      // Less than before, or nothing at all, holds at once, whether or not the server can be reached.
      if (id && had[0] && on.every((p) => had.includes(p))) withdraw(page, ui, on)
      else if (on[0] && notice.age) return (await age(page)).put_(page, notice, on, choose, done, () => say(notice.labels['failed']!))
      else if (on[0]) await choose()
      else {
        record([])
        choose().catch(() => {})
      }
      done()
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
