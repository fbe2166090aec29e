import { check, type Report } from './check'
import { Fault } from './fault'
import { canonical } from './json'
import type { Statement, Table } from './statement'

const byID = (id: string): HTMLElement => {
  const found = document.getElementById(id)
  if (!found) throw new Error(`the page lacks #${id}`)
  return found
}

const picker = byID('file') as HTMLInputElement
const keys = byID('keys') as HTMLTextAreaElement
const list = byID('list') as HTMLInputElement
const witnesses = byID('witnesses') as HTMLTextAreaElement
const needed = byID('needed') as HTMLInputElement
const zone = byID('zone')
const result = byID('result')
let chosen: File | undefined

function add(parent: Node, tag: string, text: string, name = ''): HTMLElement {
  const e = document.createElement(tag)
  e.textContent = text
  if (name !== '') e.className = name
  parent.appendChild(e)
  return e
}

function show(heading: string, name: string, fill: (into: HTMLElement) => void): void {
  const box = document.createElement('div')
  box.className = name
  add(box, 'h2', heading)
  fill(box)
  result.replaceChildren(box)
}

function sentences(into: HTMLElement, heading: string, mark: string, all: string[]): void {
  if (all.length === 0) return
  add(into, 'h3', heading)
  const ul = add(into, 'ul', '')
  for (const s of all) {
    const li = add(ul, 'li', '')
    add(li, 'span', mark, 'mark').setAttribute('aria-hidden', 'true')
    add(li, 'span', s)
  }
}

function stated(into: HTMLElement, s: Statement): void {
  add(into, 'h3', 'What the certificate states')
  const dl = add(into, 'dl', '')
  for (const [name, said] of s.facts) {
    add(dl, 'dt', name)
    add(dl, 'dd', said)
  }
  for (const t of s.tables) {
    const details = document.createElement('details')
    details.open = t.rows.length < 20
    add(details, 'summary', t.rows.length === 0 ? `${t.heading}: none` : t.heading)
    if (t.rows.length > 0) details.appendChild(drawn(t))
    into.appendChild(details)
  }
}

function drawn(t: Table): HTMLElement {
  const wide = document.createElement('div')
  wide.className = 'wide'
  wide.tabIndex = 0
  wide.setAttribute('role', 'region')
  wide.setAttribute('aria-label', t.heading)
  const table = add(wide, 'table', '')
  if (t.head.length > 0) {
    const head = add(add(table, 'thead', ''), 'tr', '')
    for (const h of t.head) add(head, 'th', h).setAttribute('scope', 'col')
  }
  const body = add(table, 'tbody', '')
  for (const row of t.rows) {
    const tr = add(body, 'tr', '')
    for (const c of row) add(tr, 'td', c)
  }
  return wide
}

function report(name: string, r: Report): void {
  show(`${name} verifies`, 'good', (into) => {
    sentences(into, 'Verified', '✓', r.verified)
    sentences(into, 'Not verified: know this by other means', '?', r.unverified)
    for (const s of r.statements) stated(into, s)
    if (r.entries.length === 0) return
    add(into, 'h3', 'What the entries say')
    for (const e of r.entries) {
      const details = document.createElement('details')
      add(details, 'summary', `Entry ${e.index}: ${e.kind}, ${e.time}`)
      add(details, 'pre', JSON.stringify(JSON.parse(canonical(e.entry)), null, 2)).tabIndex = 0
      into.appendChild(details)
    }
  })
}

async function run(): Promise<void> {
  const file = chosen
  if (!file) return
  show(`Checking ${file.name}`, 'busy', () => undefined)
  const words = (s: string) => s.split(/\s+/).filter((k) => k !== '')
  try {
    report(file.name, await check(file, {
      keys: words(keys.value), list: (await list.files?.[0]?.text()) ?? '', witnesses: words(witnesses.value), needed: Number(needed.value),
    }))
  } catch (e) {
    if (e instanceof Fault) {
      show(`${file.name} does NOT verify`, 'bad', (into) => {
        add(into, 'p', `Reason: ${e.reason}.`)
        add(into, 'p', e.detail)
      })
    } else {
      show(`${file.name} could not be checked`, 'busy', (into) => {
        add(into, 'p', 'This says nothing about the file.')
        add(into, 'p', e instanceof Error ? e.message : String(e))
      })
    }
  }
}

picker.addEventListener('change', () => {
  chosen = picker.files?.[0]
  void run()
})
for (const input of [keys, list, witnesses, needed]) input.addEventListener('change', () => void run())
zone.addEventListener('dragover', (e) => {
  e.preventDefault()
  zone.classList.add('over')
})
zone.addEventListener('dragleave', () => zone.classList.remove('over'))
zone.addEventListener('drop', (e) => {
  e.preventDefault()
  zone.classList.remove('over')
  const dropped = e.dataTransfer?.files[0]
  if (!dropped) return
  chosen = dropped
  void run()
})
