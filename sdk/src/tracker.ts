import { BEHAVIOUR, type Call, type Page, type Part, REFUSED } from './page'
import { type Action, type ActionState, actions } from './actions'
import { type Watch, clicks, idle, inViewport, scrollDepth, urlChange } from './auto'
import { type FormOptions, fieldValue, forms } from './forms'
import { listen } from './listen'
import { live } from './live'
import { type Keys, mask, minimise } from './minimise'
import { type Event, queue } from './queue'
import { type Config, language } from './settings'
import { ask } from './wire'

// The tracker. It is fetched only after a grant that includes measuring, and asks for each call
// whether its purpose is granted. Everything it knows is in page memory and ends with `stop_`.

type Mapping = { fieldName: string; traitName: string }
type Attributes = Record<string, unknown>
interface Options extends FormOptions {
  eventName?: string
  title?: string
  pageTitle?: string
  location?: string
  pageLocation?: string
  traitsMapper?: Mapping[]
  globalTraitsMapper?: Mapping[]
  clickEvents?: Watch[]
  idleEvents?: Watch[]
  inViewportEvents?: Watch[]
  scrollDepthEvents?: Watch[]
  onUrlChange?: (url: string) => void
}

const SUBSCRIBES = /^(on|off|sub)/

let running: (() => void) | undefined

/** Starts, or when it runs already looks again at what is granted. */
export default (page: Page): void => {
  if (running) running()
  else start(page)
}

const start = async (page: Page): Promise<void> => {
  const stopper = new AbortController()
  const { signal } = stopper
  const id = page.visitor_ as string
  const channel = new BroadcastChannel('probity')
  let purposes: string[]
  const allowed = (purpose: string): boolean => purposes.includes(purpose)

  const stop = (): void => {
    stopper.abort()
    channel.close()
    page.run_ = running = undefined
  }
  const look = (): void => {
    purposes = (localStorage['probity_choice'] || '').split(/[.,]/)
    if (!allowed('measure') || !document.cookie.includes(id)) stop()
  }
  const load = <T>(name: string): Promise<T> => import(page.base_ + '/probity/sdk/v1/' + name + '.js') as Promise<T>
  /** The server allows less than the device believes: the banner's file puts the device right. */
  const mend = (command: string): unknown => load<Part>('banner').then((p) => p.default(page, command))
  page.stop_ = stop
  running = channel.onmessage = look
  look()
  // A page that comes back from the history is told first that it is visible: before the live stream opens again.
  listen(signal, 'storage visibilitychange pageshow', look)

  const config = (await ask(page, '/probity/v1/deployments/' + page.id_ + '/config?lang=' + language, undefined, signal).then((r) => r.json(), () => ({}))) as Keys & Config
  if (signal.aborted) return
  load<typeof import('./out')>('out').then((p) => p.default(config, signal))

  // The browser's own way to a random UUID that also works on a page that was not loaded securely.
  const visit = URL.createObjectURL(new Blob()).slice(-36)
  const events = queue(page, visit, signal, () => {
    stop()
    mend('lost')
  })
  const bus = actions(page, signal, allowed)
  let seq = 0
  let mapping: Mapping[] = []
  let here = ''
  let before = document.referrer
  let last: Event | undefined

  const scalars = (from?: Attributes): Attributes => {
    const out: Attributes = {}
    for (const key in from) if (/str|num|boo/.test(typeof from[key])) out[key] = from[key]
    return out
  }
  /** Queues an event if its purpose is granted, else says why not. Fields that the page maps to traits go along if identity is granted. */
  const add = (purpose: string, event: Partial<Event> & { name: string }, mapper?: Mapping[], value = (field: string): unknown => event.attributes?.[field]): string | undefined => {
    if (!allowed(purpose)) return REFUSED
    const traits = scalars(event.traits)
    if (allowed('identity')) for (const m of [...mapping, ...(mapper || [])]) traits[m.traitName] ??= value(m.fieldName)
    last = { seq: ++seq, at: new Date().toISOString(), title: mask(document.title), ...minimise(location.href, config), ...event, attributes: scalars(event.attributes), traits: scalars(traits) }
    events.add_(last)
    return
  }
  const record = (name: string, attributes?: Attributes, mapper?: Mapping[]): string | undefined => add('actions', { name, attributes }, mapper)
  const hit = (w: Watch): unknown => record(w.eventName, w.customAttributes)

  const pageview = (given?: Options): string | undefined => {
    const o = given || {}
    const href = o.location || o.pageLocation || location.href
    const address = minimise(href, config)
    const now = address.url + new URL(href, location.href).hash
    const own = { title: mask(o.title || o.pageTitle || document.title), attributes: scalars(o.customAttributes) }
    // The page was counted already: what there is to add belongs to that event, if it still waits.
    if (now == here) return void (given && last?.name == 'page_viewed' && Object.assign(last, own))
    here = now
    const referrer = before && minimise(before, config).url
    before = href
    return add('measure', { name: 'page_viewed', ...address, referrer, ...own }, o.traitsMapper)
  }
  const watchUrl = (o?: Options): void =>
    urlChange(signal, () => {
      pageview()
      o?.onUrlChange?.(location.href)
    })

  /** Handles one call of either form; what it returns is why it was refused. */
  const handle = (name: string, a: unknown, b: unknown, c: unknown): string | void => {
    const o = (Object(a) === a ? a : b || {}) as Options
    if (name == 'init') mapping = o.globalTraitsMapper || []
    if (name == 'pageview') return pageview(a as Options)
    if (name == 'record') {
      if (o.eventName) return record(o.eventName, o.customAttributes, o.traitsMapper)
      return typeof b == 'string' ? record(a as string, { label: b, ...(c as Attributes) }) : record(a as string, b as Attributes, (c as Options | undefined)?.traitsMapper)
    }
    if (name == 'identify' && a) return add('identity', { name: 'user_identified', external_id: '' + a, traits: b as Attributes })
    if (name == 'recordActionStateChange') bus.report_(a as ActionState)
    if (SUBSCRIBES.test(name)) bus.listen_(name, a as string, b as () => void)
    if (/^forms/.test(name))
      forms(signal, { selector: a as string, ...o }, (form, name, attributes) => add('actions', { name, attributes }, o.traitsMapper, (field) => fieldValue(form, field)))
    if (a == 'autotrackUrlChange') watchUrl(o)
    if (o.clickEvents) clicks(signal, o.clickEvents, hit)
    if (o.idleEvents) idle(signal, o.idleEvents, hit)
    if (o.inViewportEvents) inViewport(signal, o.inViewportEvents, hit)
    if (o.scrollDepthEvents) scrollDepth(signal, o.scrollDepthEvents, hit)
  }
  const run = (call: Call): unknown => {
    const [first, a, b, c, d] = Array.from(call).slice(call[0] == 'command' ? 1 : 0)
    const name = (first as string).replace('Journey.', '')
    if (!BEHAVIOUR.test(name)) page.calls_.push(call)
    const reason = handle(name, a, b, c)
    // The messenger's forms have one callback for success and one for failure, the others one for success.
    const [done, failed] = SUBSCRIBES.test(name) ? [] : ([b, c, d].filter((x) => typeof x == 'function') as ((reason?: string) => void)[])
    if (reason) failed?.(reason)
    else done?.()
    return reason
  }

  const calls = page.calls_
  page.calls_ = []
  page.run_ = run
  // The page comes before what was done on it, unless the page itself says when it was viewed.
  if (!calls.some((c) => c[0] == 'pageview' || c[1] == 'Journey.pageview')) pageview()
  calls.forEach(run)
  // A page that only named the deployment leaves the counting to us.
  if (!calls.some((c) => c[0] == 'init')) watchUrl()
  bus.ready_()

  live(page, signal, (type, data) => {
    if (type == 'offer') bus.offer_(data as Action)
    if (type == 'stop') {
      const ended = (data as { purposes?: string[] }).purposes
      purposes = ended ? purposes.filter((p) => !ended.includes(p)) : []
      if (!allowed('measure')) stop()
      mend('keep ' + purposes)
    }
  })
  listen(signal, 'pagehide visibilitychange online', (e) => events.flush_(e.type != 'online'))
  listen(signal, 'pageshow', (e) => {
    if ((e as PageTransitionEvent).persisted && !signal.aborted) {
      here = ''
      pageview()
    }
  })
}
