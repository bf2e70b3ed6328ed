/** The shipped core, as the daemon runs it. */
import { decide, initialState, view } from '../../agent/core/mastership.ts';
import { asSimCore } from './sim-core.ts';

export const shippedCore = asSimCore({ decide, initialState, view });
