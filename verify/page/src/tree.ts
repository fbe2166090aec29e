// Hash trees and their proofs: RFC 6962 §2.1, checked as RFC 9162 §2.1.3.2 and §2.1.4.2 describe.

import { equal, join } from './bytes'
import { sha256 } from './sha256'

export type Hash = Uint8Array

export function leafHash(line: Uint8Array): Hash {
  return sha256(join(Uint8Array.of(0), line))
}

export function nodeHash(left: Hash, right: Hash): Hash {
  return sha256(join(Uint8Array.of(1), left, right))
}

/** Tells whether the path leads from a leaf to the root of a tree of that size. */
export function included(path: Hash[], size: bigint, root: Hash, index: bigint, leaf: Hash): boolean {
  if (index >= size) return false
  let here = index
  let last = size - 1n
  let hash = leaf
  for (const sibling of path) {
    if (last === 0n) return false
    if (here % 2n === 1n || here === last) {
      hash = nodeHash(sibling, hash)
      while (here % 2n === 0n && here !== 0n) {
        here /= 2n
        last /= 2n
      }
    } else {
      hash = nodeHash(hash, sibling)
    }
    here /= 2n
    last /= 2n
  }
  return last === 0n && equal(hash, root)
}

/** Tells whether a larger tree begins with a smaller one. Both sizes are positive and differ. */
export function extended(path: Hash[], oldSize: bigint, oldRoot: Hash, newSize: bigint, newRoot: Hash): boolean {
  const all = (oldSize & (oldSize - 1n)) === 0n ? [oldRoot, ...path] : path
  const [first, ...rest] = all
  if (!first) return false
  let here = oldSize - 1n
  let last = newSize - 1n
  while (here % 2n === 1n) {
    here /= 2n
    last /= 2n
  }
  let older = first
  let newer = first
  for (const hash of rest) {
    if (last === 0n) return false
    if (here % 2n === 1n || here === last) {
      older = nodeHash(hash, older)
      newer = nodeHash(hash, newer)
      while (here % 2n === 0n && here !== 0n) {
        here /= 2n
        last /= 2n
      }
    } else {
      newer = nodeHash(newer, hash)
    }
    here /= 2n
    last /= 2n
  }
  return last === 0n && equal(older, oldRoot) && equal(newer, newRoot)
}

/** A tree that grows leaf by leaf and remembers one hash a level: the roots of its complete subtrees,
 * largest first. */
export class Spine {
  constructor(private readonly peaks: Hash[], public size: number) {}

  add(leaf: Hash): void {
    let hash = leaf
    for (let n = this.size; n % 2 === 1; n = Math.floor(n / 2)) {
      const left = this.peaks.pop()
      if (!left) throw new Error('the spine is too short')
      hash = nodeHash(left, hash)
    }
    this.peaks.push(hash)
    this.size++
  }

  root(): Hash {
    return this.peaks.reduceRight<Hash | undefined>((right, left) => (right ? nodeHash(left, right) : left), undefined) ?? sha256(new Uint8Array())
  }
}

/** How many complete subtrees a tree of n leaves has. */
export function peaksOf(n: number): number {
  let count = 0
  for (let rest = n; rest > 0; rest = Math.floor(rest / 2)) count += rest % 2
  return count
}
