import type * as Declared from '../probity'
import * as module from './probity'

// Holds the declarations of the package to what the module is.
export const declared: typeof Declared = module
