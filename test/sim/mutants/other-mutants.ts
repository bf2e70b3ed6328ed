/**
 * Deliberate errors outside the table of LEASE.md: in the fences and the shell (as the simulator
 * models them), in the revision stream's lineage, in promotion, following, ranking and membership.
 */
import { type Edit, type Mutant, on } from './edits.ts';

const flaw = (name: string): Edit => ({
  file: 'test/sim/flaws.ts',
  find: `${name}: false,`,
  replace: `${name}: true,`,
});
const promotion = 'agent/core/promotion.ts';
const candidate = 'agent/core/lease/candidate.ts';
const holder = 'agent/core/lease/holder.ts';
const follow = 'agent/core/follow.ts';
const voter = 'agent/core/lease/voter.ts';
const vacancy = 'agent/core/lease/vacancy.ts';
const positions = 'agent/core/lease/positions.ts';
const lineage = 'agent/stream/lineage.ts';
const rowNotCompared: Edit = {
  file: 'agent/stream/greeting.ts',
  find: 'if (hello.digest === null) return true;',
  replace: 'return true;',
};

const fences: readonly Mutant[] = [
  ...on({ profile: 'fencing' }, [
    {
      name: 'gate-ignores-the-boot',
      breaks: 'gate: this boot’s id',
      edits: [flaw('gateIgnoresBoot')],
    },
    {
      name: 'data-path-lets-established-through',
      breaks: 'data-path gate: established connections too',
      edits: [flaw('gateNeverShuts')],
    },
    {
      name: 'dead-mans-switch-never-kills',
      breaks: 'dead man’s switch',
      edits: [flaw('deadmanNeverKills')],
    },
    {
      name: 'fence-forgotten',
      breaks: 'self-fence',
      edits: [flaw('fenceForgotten')],
    },
    {
      name: 'start-ignores-the-gate',
      breaks: 'gate',
      edits: [flaw('startIgnoresGate')],
    },
    {
      name: 'lost-leases-not-counted',
      breaks: 'who keeps losing its lease leaves the role to others',
      edits: [
        {
          file: 'agent/core/lease/lapse.ts',
          find: 'updateRun(turn, { lapses: count, last_lapse: now });',
          replace: 'updateRun(turn, { last_lapse: now });',
        },
        {
          file: 'agent/core/lease/lapse.ts',
          find: 'count < config.serverRestarts',
          replace: 'lapses + 1 < config.serverRestarts',
        },
      ],
    },
    {
      name: 'lost-leases-forgotten-at-a-restart',
      breaks: 'who keeps losing its lease leaves the role to others, its agent restarted or not',
      edits: [
        {
          file: 'agent/core/start.ts',
          find: '{ ...freshRun, ...run, left: false }',
          replace: '{ ...freshRun, ...run, left: false, lapses: 0 }',
        },
      ],
    },
  ]),
  ...on({ profile: 'aimed', plot: 'overloaded-alone' }, [
    {
      name: 'sits-out-whoever-is-there',
      breaks: 'nobody leaves the role to others where there are none',
      edits: [
        {
          file: 'agent/core/lease/lapse.ts',
          find: ' || !mayBeFollowed(turn)) return;',
          replace: ') return;',
        },
      ],
    },
  ]),
  ...on({ profile: 'aimed', plot: 'stopped-and-set' }, [
    {
      name: 'dead-mans-switch-trusts-the-wall-clock',
      breaks: 'dead man’s switch: boot clock',
      edits: [flaw('deadmanTrustsWall')],
    },
  ]),
  ...on({ profile: 'duel' }, [
    {
      name: 'fence-late-by-one-renewal',
      breaks: 'self-fence deadline',
      edits: [
        {
          file: 'agent/core/lease/silence.ts',
          find: 'sentAt + config.fenceAfter - config.clockResolution',
          replace: 'sentAt + config.fenceAfter + config.renewInterval - config.clockResolution',
        },
      ],
    },
  ]),
  ...on({ profile: 'disk' }, [
    {
      name: 'a-failed-write-is-ignored',
      breaks: 'persist, then send',
      edits: [flaw('failedWriteIgnored')],
    },
  ]),
];

const stream: readonly Mutant[] = [
  // Lineage and digest cover each other: each of the two alone keeps foreign rows out.
  {
    name: 'cut-back-skipped',
    breaks: 'lineage: the receiver is cut back to the common epoch',
    edits: [
      {
        file: lineage,
        find: "return { kind: 'cut', keep };",
        replace: "return { kind: 'resume' };",
      },
      rowNotCompared,
    ],
  },
  {
    name: 'resume-by-number-alone',
    breaks: 'resume by lineage and digest',
    edits: [
      {
        file: lineage,
        find: 'const keep = commonEnd(master, receiver);',
        replace: 'const keep = Math.min(master.head, receiver.head);',
      },
      rowNotCompared,
    ],
  },
  {
    name: 'raise-left-out',
    breaks: 'raise on loss',
    edits: [
      {
        file: lineage,
        find: 'const filler = Math.max(last + RAISE_STEP, epoch * EPOCH_RANGE);',
        replace: 'const filler = last + 1;',
      },
    ],
  },
  {
    name: 'unclean-start-taken-for-clean',
    breaks: 'an unclean boot is a lossy start',
    edits: [
      {
        file: holder,
        find: 'return datastore.clean && datastore.lineageEpoch === highest;',
        replace: 'return datastore.lineageEpoch === highest;',
      },
    ],
  },
  ...on({ profile: 'handover' }, [
    {
      name: 'last-revisions-not-sent',
      breaks: 'planned handover',
      edits: [flaw('lastRevisionsNotSent')],
    },
    {
      name: 'any-release-vouches-for-the-last-revision',
      breaks: 'L13: a clean stop',
      edits: [
        {
          file: promotion,
          find: 'const able = event.ok && to !== null && couldAskAtOnce(turn, to);\n  // Nobody',
          replace: 'const able = to !== null && couldAskAtOnce(turn, to);\n  // Nobody',
        },
        {
          file: promotion,
          find: 'next === null ? null : (event.lastRevision ?? null)',
          replace: 'turn.state.datastore.revision',
        },
      ],
    },
    {
      name: 'handed-over-once-counts-for-ever',
      breaks: 'L13: lineage ends at the highest epoch',
      edits: [
        {
          file: positions,
          find: 'if (handed?.epoch !== epoch || datastore.lineageEpoch !== epoch) return false;',
          replace: 'if (handed === null) return false;',
        },
        {
          file: holder,
          find: 'updateRun(turn, { held, handed: null });',
          replace: 'updateRun(turn, { held });',
        },
      ],
    },
  ]),
];

const roles: readonly Mutant[] = [
  ...on({ profile: 'fencing' }, [
    {
      name: 'promotion-goes-on-without-its-lease',
      breaks: 'promotion: the lease is checked at each step',
      edits: [
        {
          file: promotion,
          find: '  if (turn.now >= held.deadline) {\n    loseRole(turn, `the lease ran out during',
          replace: '  if (false) {\n    loseRole(turn, `the lease ran out during',
        },
      ],
    },
  ]),
  {
    name: 'role-given-back-before-the-server-stopped',
    breaks: 'release only after the stop is known',
    edits: [
      {
        file: promotion,
        // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the text of a source file
        find: "  explain(turn, `gives the role back: ${why}.`);\n  order(turn, 'stop_server');",
        replace:
          "  order(turn, 'stop_server');\n" +
          '  const { ballot, epoch } = held;\n' +
          "  const word: Release = { kind: 'release', ballot, epoch, successor: null, " +
          'last_revision: null };\n' +
          '  for (const node of others(turn.config)) send(turn, node, word);\n' +
          '  dropRole(turn);',
      },
      {
        file: promotion,
        find:
          "turn.urgent.push({ kind: 'fence', epoch: held.epoch, reason: why }, " +
          "{ kind: 'close_gate' });",
        replace: '',
      },
    ],
  },
  ...on({ profile: 'calm' }, [
    {
      name: 'start-left-out',
      breaks: 'liveness: failures excuse no outage for ever',
      edits: [
        {
          file: promotion,
          find: "  install_archive: 'start_server',",
          replace: "  install_archive: 'check_ready',",
        },
      ],
    },
  ]),
  {
    name: 'nobody-yields',
    breaks: 'L14: the better replica wins',
    edits: [
      {
        file: vacancy,
        find: 'if (hasYielded(turn.state, lineageEpoch)) return false;',
        replace: 'if (lineageEpoch >= 0) return false;',
      },
    ],
  },
  {
    name: 'yields-anew-per-attempt',
    breaks: 'L14: once per vacancy',
    edits: [
      {
        file: vacancy,
        find: 'if (hasYielded(turn.state, lineageEpoch)) return false;',
        replace: '',
      },
    ],
  },
  {
    name: 'epochs-compared-backwards',
    breaks: 'L14: epoch of the last row first',
    edits: [
      {
        file: 'agent/core/lease/positions.ts',
        find: 'a.lineage_epoch - b.lineage_epoch || a.revision - b.revision',
        replace: 'b.lineage_epoch - a.lineage_epoch || a.revision - b.revision',
      },
    ],
  },
  {
    name: 'voter-timer-too-short',
    breaks: 'L6: the voter’s timer is a whole lease',
    edits: [
      {
        file: 'agent/core/lease/silence.ts',
        find: '=> instant(Math.ceil(now + duration + config.clockResolution));',
        replace: '=> instant(Math.ceil(now + duration * 0.7));',
      },
    ],
  },
  {
    name: 'holder-not-renewed-in-time',
    breaks: 'renewals',
    edits: [
      {
        file: holder,
        find: "arm(turn, 'renew', after(sentAt, turn.config.renewInterval));",
        replace: "arm(turn, 'renew', after(sentAt, turn.config.leaseDuration));",
      },
    ],
  },
  {
    name: 'refused-candidate-gives-up',
    breaks: 'liveness: another attempt follows',
    edits: [
      {
        file: candidate,
        find: '  scheduleAttempt(turn, Math.min(retryAfter, config.leaseDuration));',
        replace: '',
      },
    ],
  },
  ...on({ profile: 'handover' }, [
    {
      name: 'handover-without-stopping-the-server',
      breaks: 'planned handover: stop first',
      edits: [
        {
          file: promotion,
          find:
            // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the text of a source file
            '  explain(turn, `hands the role over to ${to} (${handover.why}).`);\n' +
            "  order(turn, 'stop_server');",
          replace: "  order(turn, 'send_last_revisions');",
        },
      ],
    },
  ]),
  ...on({ profile: 'late' }, [
    {
      name: 'hosts-follow-a-lower-epoch',
      breaks: 'whoever has seen a higher epoch refuses',
      edits: [
        {
          file: follow,
          find: 'if (state.run.held !== null || message.epoch < knownEpoch(state)) return;',
          replace: 'if (state.run.held !== null) return;',
        },
      ],
    },
    {
      name: 'epoch-on-disk-not-looked-at',
      breaks: 'whoever has seen a higher epoch refuses, also after a restart',
      edits: [
        {
          file: follow,
          find: 'message.epoch < knownEpoch(state)',
          replace: 'message.epoch < (state.leader?.epoch ?? 0)',
        },
      ],
    },
  ]),
  ...on({ profile: 'cold' }, [
    {
      name: 'last-owner-not-asked',
      breaks: 'L14: the last owner that is there is compared with',
      edits: [
        {
          file: candidate,
          find: '    return !hasYielded(state, attempt.highest);',
          replace: '    return false;',
        },
        {
          file: 'agent/core/mastership.ts',
          find:
            'if (message.position !== null) hearPositions(turn, from, [message.position]);\n' +
            '      if (isHeld(turn.state, message.ballot)) return holderRefuse',
          replace: 'if (isHeld(turn.state, message.ballot)) return holderRefuse',
        },
      ],
    },
  ]),
  ...on({ profile: 'cold' }, [
    {
      name: 'end-of-a-called-off-wait-stays-armed',
      breaks: 'L14: the wait for the last owner ends with the first master that is seen',
      // Alone, the owner that is heard shortens the wait: little is left of it.
      edits: [
        { file: 'agent/core/mastership.ts', find: '  hearOwner(turn, from);\n', replace: '' },
        { file: vacancy, find: '  if (waited) scheduleAttempt(turn);\n', replace: '' },
      ],
    },
  ]),
  ...on({ profile: 'aimed', plot: 'owner-away' }, [
    {
      name: 'cold-start-wait-never-ends',
      breaks: 'L14: the last owner is waited for, for a bounded time',
      edits: [
        {
          file: vacancy,
          find: 'return owner !== null && owner !== config.node && now < state.run.cold_until;',
          replace: 'return owner !== null && owner !== config.node && state.run.cold_until > 0;',
        },
        {
          file: vacancy,
          find: 'if (coldWaiting(state, now, config)) at = Math.max(at, state.run.cold_until);',
          replace: 'if (coldWaiting(state, now, config)) at += config.coldStartWait;',
        },
      ],
    },
  ]),
  ...on({ profile: 'crashes' }, [
    {
      name: 'kept-out-voter-stays-out',
      breaks: 'every vote counts again once nothing changes any more',
      edits: [
        {
          file: voter,
          find: '    if (isKeptOut(turn, from)) startAnew(turn);\n',
          replace: '',
        },
      ],
    },
  ]),
  ...on({ profile: 'aimed', plot: 'missed-tenure' }, [
    {
      name: 'missed-tenure-not-heard-of',
      breaks: 'L14: once per vacancy, which ends with a tenure that others have seen',
      edits: [
        { file: candidate, find: '  hearOfTenure(turn, message.newest_tenure);\n', replace: '' },
      ],
    },
  ]),
  ...on({ profile: 'aimed', plot: 'late-word' }, [
    {
      name: 'last-revision-not-compared',
      breaks: 'L13: a clean stop, of this replica',
      edits: [
        {
          file: positions,
          find: 'return datastore.revision === handed.revision;',
          replace: 'return true;',
        },
      ],
    },
  ]),
  ...on({ profile: 'aimed', plot: 'ends-unheard' }, [
    {
      name: 'server-that-ended-early-forgotten',
      breaks: 'no role without a server: what ends before a start that failed is remembered',
      edits: [
        {
          file: 'agent/core/mastership.ts',
          find: "  if (event.kind === 'server_exited') update(turn, { serverEnded: true });\n",
          replace: '',
        },
      ],
    },
  ]),
  ...on({ profile: 'aimed', plot: 'two-lists' }, [
    {
      name: 'list-of-one-tells-nobody',
      breaks: 'L12: contact comes before a second master',
      edits: [
        {
          file: 'agent/core/lease/contact.ts',
          find: 'for (const node of others(config)) tellRecord(turn, node);',
          replace: 'others(config);',
        },
      ],
    },
  ]),
  ...on({ profile: 'aimed', plot: 'full-at-the-waits-end' }, [
    {
      name: 'timer-of-a-failed-turn-forgotten',
      breaks: 'the caller repeats what came once',
      edits: [{ file: 'agent/core/repeats.ts', find: "  'timer',\n", replace: '' }],
    },
  ]),
];

export const otherMutants: readonly Mutant[] = [...fences, ...stream, ...roles];
