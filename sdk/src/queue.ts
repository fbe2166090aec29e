import type { Page } from './page'
import { ask } from './wire'

export interface Event {
  seq: number
  name: string
  at: string
  url: string
  title: string
  referrer?: string | undefined
  search?: string | undefined
  attributes?: Record<string, unknown> | undefined
  traits?: Record<string, unknown> | undefined
  external_id?: string | undefined
}

export interface Queue {
  add_: (event: Event) => void
  /** Sends what waits, by a beacon when the page is going away. */
  flush_: (leaving?: boolean) => void
}

/**
 * Keeps up to 200 events in memory and sends them in order, one request at a time: soon when none is under way,
 * together when one is. What the server can't take now is tried again; what it refuses is dropped.
 * `halt` is called when the server allows nothing more.
 */
export const queue = (page: Page, visit: string, signal: AbortSignal, halt: () => void): Queue => {
  const path = '/probity/v1/deployments/' + page.id_ + '/events'
  let waiting: Event[] = []
  let busy = false
  let tries = 0
  let most = 100
  let timer: ReturnType<typeof setTimeout> | undefined

  const take = (): Event[] => {
    let bytes = 0
    // A request that outlives the page may hold 64 KiB.
    const n = waiting.findIndex((event, i) => i >= most || (bytes += JSON.stringify(event).length) > 48e3)
    return waiting.splice(0, n < 0 ? most : n || 1)
  }
  const body = (events: Event[]): unknown => ({
    visitor: page.visitor_,
    visit,
    context: { lang: navigator.language, screen: [screen.width, screen.height] },
    events,
  })
  const later = (ms: number): void => {
    timer ||= setTimeout(flush, ms)
  }
  const flush = (leaving?: boolean): void => {
    clearTimeout(timer)
    timer = undefined
    if (leaving) while (waiting[0] && navigator.sendBeacon(page.base_ + path, JSON.stringify(body(take()))));
    if (!busy && waiting[0]) send(take())
  }
  const send = async (events: Event[]): Promise<void> => {
    let wait = 0
    busy = true
    try {
      const r = await ask(page, path, body(events), signal)
      // Patterns read the number as text.
      const code = r.status as unknown as string
      if (/408|429|5../.test(code)) {
        // A server that can't is asked six times in a row, then these events are given up.
        if (tries < 5) wait = +r.headers.get('retry-after')! || 1
      } else {
        tries = 0
        const answer = (await r.json().catch(() => ({}))) as { refused?: { seq: number; code: string }[] }
        // A page view refused for want of consent: there is none for measuring, so there is none for anything.
        const view = events.find((e) => e.name == 'page_viewed')?.seq
        if (/40[1349]|410|451/.test(code) || /^consent/.test(answer.refused?.find((x) => x.seq == view)?.code || '')) halt()
        else if (/4../.test(code) && events[1]) {
          // One event of these is malformed: from now on each goes alone, so that only that one is lost.
          most = 1
          waiting = events.concat(waiting)
        }
      }
    } catch {
      wait = 1
    }
    busy = false
    if (signal.aborted) return
    if (wait) {
      waiting = events.concat(waiting)
      // Doubling up to half a minute, with jitter.
      later(wait * 1e3 * 2 ** Math.min(tries++, 5) * (0.5 + Math.random()))
    } else flush()
  }

  signal.addEventListener('abort', () => {
    waiting = []
    clearTimeout(timer)
  })
  return {
    add_: (event) => {
      if (waiting.push(event) > 200) waiting.shift()
      if (!busy) later(100)
    },
    flush_: flush,
  }
}
