import { h } from './dom'
import { stored } from './device'

/** The notice as the server renders it, in one language. */
export interface Notice {
  id: string
  version: number
  language: string
  title: string
  intro: string
  controller: string
  withdraw_hint: string
  purposes: { id: string; title: string; description: string; basis?: string }[]
  labels: Record<string, string>
  details_url: string
  /** The words about ages, where one has to be asked for. */
  age?: Record<string, string>
}

export interface Model {
  /** A choice is missing; else the visitor opened the privacy choices. */
  ask_: boolean
  /** Purposes that are on now. */
  on_: string[]
  /** When the choice was made: a date or an instant; empty when there is none. */
  since_: string
  version_: number | undefined
  /** Hands out the receipt of the choice, if there is one. */
  receipt_: (() => unknown) | undefined
  /** Carries out a choice; rejects when it could not be recorded. */
  choose_: (action: string, on: string[], event: Event) => Promise<void>
  /** Objects to a purpose that rests on another basis; missing where nobody is known who could. */
  object_: ((purpose: string, event: Event) => Promise<void>) | undefined
  closed_: () => void
}

export interface View {
  close_: () => void
}

/** The purposes that need consent. Others are not asked about: they are information, with a way to object. */
export const asked = (notice: Notice): Notice['purposes'] => notice.purposes.filter((p) => !p.basis || p.basis == 'consent')

let region: HTMLElement | undefined
let timer: ReturnType<typeof setTimeout>

/** Says something to those who see and those who listen; it goes away by itself. */
export const say = (text: string): void => {
  region ||= document.body.appendChild(h('p', { class: 'probity-said', role: 'status' }))
  region.textContent = text
  clearTimeout(timer)
  timer = setTimeout(() => region!.replaceChildren(), 6e3)
}

/** Puts the dialog on the page: not modal, first in the order of focus, all choices of one weight. */
export const show = (notice: Notice, model: Model): View => {
  const { labels, purposes } = notice
  const wants = asked(notice)
  const before = document.activeElement as HTMLElement
  const root = document.documentElement
  const on = new Set(model.on_)
  const box = h('div', {
    class: 'probity',
    role: 'dialog',
    lang: notice.language,
    dir: 'auto',
    tabindex: '-1',
    'aria-labelledby': 'probity-title',
    'aria-describedby': 'probity-intro',
  })
  let busy = false
  let leave: (() => void) | undefined

  const button = (name: string, act: (e: Event) => unknown): HTMLElement => {
    const b = h('button', { type: 'button', 'data-probity': name }, labels[name]!)
    b.addEventListener('click', act)
    return b
  }
  /** A button that makes a choice: what it grants is read when it is pressed. */
  const choice = (name: string, action: string, wanted: (purpose: string) => boolean): HTMLElement =>
    button(name, async (e) => {
      if (busy) return
      busy = true
      try {
        await model.choose_(action, wants.map((p) => p.id).filter(wanted), e)
      } catch {
        say(labels['failed']!)
      }
      busy = false
    })

  const item = (p: Notice['purposes'][0], settings: boolean): HTMLElement => {
    const title = h('b', {}, p.title)
    const words = h('span', { id: 'probity-' + p.id }, p.description)
    if (!wants.includes(p)) {
      const more = h('li', {}, title, ' ', words, ' ', labels['interest']!)
      if (settings && model.object_) {
        const b = h('button', { type: 'button', 'data-probity': 'object', name: p.id }, labels['object']!)
        b.addEventListener('click', (e) => model.object_!(p.id, e).then(() => b.remove(), () => say(labels['failed']!)))
        more.append(' ', b)
      }
      return more
    }
    if (!settings) return h('li', {}, title, ' ', words)
    const state = h('span', { 'aria-hidden': 'true' })
    const input = h('input', { type: 'checkbox', role: 'switch', name: p.id, 'aria-describedby': words.id }) as HTMLInputElement
    const turn = (): void => {
      if (input.checked) on.add(p.id)
      else on.delete(p.id)
      state.textContent = labels[input.checked ? 'on' : 'off']!
    }
    input.checked = on.has(p.id)
    input.addEventListener('change', turn)
    turn()
    return h('li', {}, h('label', {}, title, state, input), words)
  }

  const layer = (settings: boolean, focus: boolean): void => {
    const now = h('p', { class: 'probity-now' })
    if (model.since_) {
      now.append(labels['current'] + ': ', h('time', { datetime: model.since_ }, new Date(model.since_).toLocaleDateString(notice.language, { dateStyle: 'long' })))
      if (model.version_) now.append(' (v' + model.version_ + ')')
      if (model.receipt_) now.append(' ', button('receipt', model.receipt_))
    }
    // Do Not Track has words only where it counts; Global Privacy Control always does, and says more.
    const signal = (navigator as { globalPrivacyControl?: boolean }).globalPrivacyControl ? labels['gpc'] : navigator.doNotTrack == '1' && labels['dnt']
    if (signal) now.append(' ', h('em', {}, signal))
    const text = h(
      'div',
      { class: 'probity-text' },
      h('h2', { id: 'probity-title' }, notice.title),
      h('p', { id: 'probity-intro' }, notice.intro, notice.intro.includes(notice.controller) ? '' : ' ' + notice.controller),
      now,
      h('ul', {}, ...purposes.map((p) => item(p, settings))),
      h('p', {}, notice.withdraw_hint, ' ', h('a', { href: notice.details_url }, labels['details']!)),
    )
    const acts = h(
      'div',
      { class: 'probity-acts' },
      choice('accept', 'accept_all', () => true),
      model.on_[0] ? choice('withdraw_all', 'withdraw_all', () => false) : choice('reject', 'reject_all', () => false),
      settings ? choice('save', 'save', (id) => on.has(id)) : button('settings', () => layer(true, true)),
    )
    leave = settings ? (model.ask_ ? () => layer(false, true) : close) : undefined
    if (leave) acts.append(button(model.ask_ ? 'back' : 'close', leave))
    box.replaceChildren(text, acts)
    if (focus) box.focus()
  }
  const close = (): void => {
    const inside = box.contains(document.activeElement)
    box.remove()
    root.classList.remove('probity-open')
    removeEventListener('storage', elsewhere)
    if (inside) before.focus()
    model.closed_()
  }
  const elsewhere = (): void => {
    // Another tab made the choice.
    if (model.ask_ && stored()) close()
  }

  box.addEventListener('keydown', (e) => {
    if (e.key == 'Escape') leave?.()
  })
  addEventListener('storage', elsewhere)
  layer(!model.ask_, false)
  region?.replaceChildren()
  document.body.prepend(box)
  root.classList.add('probity-open')
  if (!model.ask_) box.focus()
  return { close_: close }
}
