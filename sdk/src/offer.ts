import type { Page } from './page'
import { h, stylesheet } from './dom'

// Shows one content offer: as a modal dialog that keeps the focus and gives it back, or as a box that
// leaves the page alone. Both can always be dismissed.

interface TextStyle {
  color?: string
  font?: string
  fontSize?: string
  textAlign?: string
  backgroundColor?: string
  padding?: string
  opacity?: number
}

interface Offer {
  displayMode: 'Modal' | 'Overlay' | 'Toast'
  layoutMode?: string
  title?: string
  headline?: string
  body?: string
  imageUrl?: string
  imageAltText?: string
  callToAction?: { text?: string; url?: string; target?: string }
  style?: Record<'offer' | 'closeButton' | 'ctaButton' | 'title' | 'headline' | 'body', TextStyle | undefined> & { position?: Record<string, string> }
}

const CLOSE: Record<string, string> = { de: 'Schließen', es: 'Cerrar', fr: 'Fermer', it: 'Chiudi', nl: 'Sluiten', pl: 'Zamknij', pt: 'Fechar' }

let styled: Promise<unknown> | undefined

export default async (page: Page, properties: unknown, report: (state: string) => unknown, signal: AbortSignal): Promise<void> => {
  const offer = properties as Offer
  await (styled ||= stylesheet(page, 'offer'))
  if (signal.aborted) return
  const modal = offer.displayMode == 'Modal'
  const { style, callToAction: call } = offer
  const box = h(modal ? 'dialog' : 'div', { class: 'probity-offer probity-' + offer.displayMode.toLowerCase() + ' probity-' + (offer.layoutMode || 'TextOnly').toLowerCase(), 'data-testid': 'probity-offer' })

  let over = false
  const end = (state?: string): void => {
    if (over) return
    over = true
    if (box instanceof HTMLDialogElement) box.close()
    box.remove()
    removeEventListener('pagehide', left)
    if (state) report(state)
  }
  const left = (): void => end('ignored')

  const image = http(offer.imageUrl)
  if (image && offer.layoutMode != 'TextOnly') box.append(h('img', { src: image, alt: offer.imageAltText || '' }))
  const words = h('div', { class: 'probity-words' })
  for (const [part, tag] of [['title', 'h2'], ['headline', 'h3'], ['body', 'p']] as const)
    if (offer[part]) words.append(paint(h(tag, tag == 'h2' ? { id: 'probity-offer-title' } : {}, offer[part]), style?.[part]))
  const target = http(call?.url)
  if (target) {
    const link = h('a', { href: target, rel: 'noopener', ...(call!.target == 'Blank' ? { target: '_blank' } : {}) }, call!.text || target)
    link.addEventListener('click', () => end('accepted'))
    words.append(paint(link, style?.ctaButton))
  }
  const close = h('button', { type: 'button', 'aria-label': CLOSE[document.documentElement.lang.slice(0, 2)] || 'Close' }, '×')
  close.addEventListener('click', () => end('rejected'))
  box.append(words, paint(close, style?.closeButton))
  paint(box, style?.offer)
  if (!modal) Object.assign(box.style, style?.position)
  box.setAttribute('aria-labelledby', 'probity-offer-title')

  box.addEventListener('cancel', () => end('rejected'))
  box.addEventListener('keydown', (e) => {
    if (e.key == 'Escape') end('rejected')
  })
  box.addEventListener('click', (e) => {
    if (modal && e.target == box) end('rejected')
  })
  addEventListener('pagehide', left)
  signal.addEventListener('abort', () => end())

  if (box instanceof HTMLDialogElement) {
    document.body.append(box)
    box.showModal()
  } else {
    // A region that was there before its text is read out when the text comes.
    const region = h('div', { role: 'status' })
    document.body.append(region)
    box.setAttribute('role', 'group')
    setTimeout(() => signal.aborted || region.append(box))
  }
  report('offered')
}

/** The address if it leads to the web; an offer can't run code. */
const http = (href?: string): string | undefined => {
  const url = href && new URL(href, location.href)
  return url && /^https?:$/.test(url.protocol) ? url.href : undefined
}

/** Applies the offer's own look, through the object model. */
const paint = (e: HTMLElement, s?: TextStyle): HTMLElement => {
  if (s)
    Object.assign(e.style, {
      color: s.color || '',
      backgroundColor: s.backgroundColor || '',
      fontFamily: s.font || '',
      fontSize: s.fontSize || '',
      textAlign: (s.textAlign || '').toLowerCase(),
      padding: s.padding || '',
      opacity: s.opacity == null ? '' : '' + s.opacity,
    })
  return e
}
