/**
 * The 28 errors in the 23 rows of the table at the end of LEASE.md, "Errors that must be caught",
 * and three more against the same rules: `prepare-heard-during-a-lease`, `older-list-accepted` and
 * `epoch-of-another-owner`.
 */
import { type Mutant, on } from './edits.ts';

const voter = 'agent/core/lease/voter.ts';
const holder = 'agent/core/lease/holder.ts';
const candidate = 'agent/core/lease/candidate.ts';
const rounds = 'agent/core/lease/rounds.ts';
const silence = 'agent/core/lease/silence.ts';
const learning = 'agent/core/lease/learning.ts';
const lists = 'agent/core/lease/member-list.ts';

const anyHigherBallot = {
  file: voter,
  find: 'if (!areSameBallot(state.run.promised, message.ballot)) return no(',
  replace:
    'if (state.run.promised !== null && ' +
    'compareBallots(message.ballot, state.run.promised) < 0) return no(',
};
const nonceNotCompared = {
  file: voter,
  find: 'if (message.nonces[config.node] !== state.nonce) return',
  replace: 'if (false) return',
};
const acceptNonceNotCompared = {
  file: rounds,
  find: 'if (message.nonce !== round.nonces[from] || round.accepts',
  replace: 'if (round.accepts',
};
const epochOfAnotherOwner = {
  file: voter,
  find: 'if (message.epoch === highest_epoch && epoch_owner !== message.owner) {',
  replace: 'if (false) {',
};
const olderList = {
  file: voter,
  find: 'if (compareLists(message.list, list) < 0) return no(',
  replace: 'if (false) return no(',
};
const noSilence = {
  file: silence,
  find: '  voterTimer(start, Math.max(config.leaseDuration, disk?.longest_lease_ms ?? 0), config);',
  replace: '  start;',
};

const core: readonly Mutant[] = [
  ...on({ profile: 'duel' }, [
    {
      name: 'prepare-heard-during-a-lease',
      breaks: 'L3: a lease that runs stands against others, at the voter and at the candidate',
      edits: [
        {
          file: voter,
          find: 'if (runs(accepted, turn) && accepted.owner !== from) {',
          replace: 'if (false as boolean) {',
        },
        {
          file: candidate,
          find:
            'if (message.accepted !== null && message.accepted.owner !== turn.config.node) ' +
            'return;',
          replace: '',
        },
      ],
    },
    {
      name: 'accepts-any-higher-ballot',
      breaks: 'L6: the exact ballot promised',
      edits: [anyHigherBallot],
    },
    {
      name: 'round-not-echoed',
      breaks: 'L6: answers of two rounds are counted together',
      edits: [
        {
          file: rounds,
          find: 'if (round === null || message.round !== round.number) return false;',
          replace: 'if (round === null) return false;',
        },
      ],
    },
    { name: 'no-silence', breaks: 'L2', edits: [noSilence] },
    {
      name: 'half-a-silence',
      breaks: 'L2: one maximum lease',
      edits: [
        {
          ...noSilence,
          replace: '  disk === null ? start : voterTimer(start, config.leaseDuration / 2, config);',
        },
      ],
    },
    {
      name: 'run-lost-and-no-silence',
      breaks: 'L2 after a restart of the process',
      edits: [
        noSilence,
        { file: 'test/sim/flaws.ts', find: 'runNotWritten: false', replace: 'runNotWritten: true' },
      ],
    },
    {
      name: 'timer-starts-after-sending',
      breaks: 'L5: the owner’s timer starts before it sends',
      edits: [
        {
          file: holder,
          find: 'const deadline = fenceDeadline(round.sentAt, turn.config);',
          replace: 'const deadline = fenceDeadline(turn.now, turn.config);',
        },
      ],
    },
    {
      name: 'ballot-used-twice',
      breaks: 'L1: never reused',
      edits: [
        {
          file: candidate,
          find: 'Math.max(run.counter, state.seenCounter, run.promised?.counter ?? 0) + 1;',
          replace: 'Math.max(state.seenCounter, run.promised?.counter ?? 0, 1);',
        },
      ],
    },
    {
      name: 'release-not-bound-to-its-ballot',
      breaks: 'L8: ends only its own ballot',
      edits: [
        {
          file: voter,
          find: 'const ended = accepted !== null && isSameBallot(accepted.ballot, ballot);',
          replace: 'const ended = accepted !== null && accepted.owner === from;',
        },
      ],
    },
  ]),
  ...on({ profile: 'aimed', plot: 'stopped-asker' }, [
    {
      name: 'older-list-accepted',
      breaks: 'L10: no grant under an older list',
      edits: [olderList],
    },
  ]),
  ...on({ profile: 'aimed', plot: 'old-ballot' }, [
    {
      name: 'accepts-any-higher-ballot-but-own-lock',
      breaks: 'L6: the exact ballot promised, own lock respected',
      edits: [
        olderList,
        {
          ...anyHigherBallot,
          replace:
            'if (runs(state.run.accepted, turn) && state.run.accepted.owner !== from)' +
            ` return no('');\n  ${anyHigherBallot.replace}`,
        },
      ],
    },
    {
      name: 'nonce-not-compared-while-lists-change',
      breaks: 'L5, L6 during list changes',
      edits: [olderList, nonceNotCompared, acceptNonceNotCompared],
    },
  ]),
  ...on({ profile: 'aimed', plot: 'old-epoch' }, [
    {
      name: 'epoch-of-another-owner',
      breaks: 'L6: not its own epoch with another owner',
      edits: [epochOfAnotherOwner],
    },
    {
      name: 'nonce-not-compared',
      breaks: 'L5, L6: the voter’s own nonce',
      edits: [nonceNotCompared, acceptNonceNotCompared, epochOfAnotherOwner],
    },
    {
      name: 'late-promise-not-checked',
      breaks: 'L4: late Promises',
      edits: [
        epochOfAnotherOwner,
        {
          file: candidate,
          find: "if (attempt.phase === 'proposing' && contradicts(",
          replace: 'if (false && contradicts(',
        },
      ],
    },
  ]),
  ...on({ profile: 'aimed', plot: 'old-answers' }, [
    {
      name: 'round-not-in-run',
      breaks: 'L5: a round never used before',
      edits: [
        {
          file: 'agent/core/start.ts',
          find: '...freshRun, ...run, left: false',
          replace: '...freshRun, ...run, left: false, round: 0',
        },
      ],
    },
  ]),
  {
    name: 'fence-later-than-the-lease',
    breaks: 'L7',
    edits: [
      {
        file: silence,
        find: 'instant(Math.floor(sentAt + config.fenceAfter - config.clockResolution))',
        replace: 'instant(Math.floor(sentAt + config.leaseDuration * 1.3))',
      },
    ],
  },
  {
    name: 'epoch-not-durable',
    breaks: 'L6: a higher epoch is on disk',
    edits: [
      { file: 'test/sim/flaws.ts', find: 'diskNotWritten: false', replace: 'diskNotWritten: true' },
    ],
  },
  {
    name: 'epoch-synced-after-the-answer',
    breaks: 'L6: on disk before the answer',
    edits: [
      {
        file: 'test/sim/flaws.ts',
        find: 'diskWrittenLate: false',
        replace: 'diskWrittenLate: true',
      },
    ],
  },
  {
    name: 'epoch-not-plus-one',
    breaks: 'L5: epoch + 1',
    edits: [
      {
        file: candidate,
        find: 'const epoch = nextEpoch(attempt.highest, attempt.list, turn.config);',
        replace: 'const epoch = attempt.highest;',
      },
    ],
  },
  ...on({ profile: 'aimed', plot: 'missed-epoch' }, [
    {
      name: 'epoch-not-from-a-majority',
      breaks: 'L5: above the highest known by a majority',
      edits: [
        {
          file: candidate,
          find: "const higher = attempt.phase === 'preparing' && highest_epoch > attempt.highest;",
          replace: 'const higher = false;',
        },
        {
          file: candidate,
          find:
            "const higher = attempt.phase === 'preparing' && " +
            'message.highest_epoch > attempt.highest;',
          replace: 'const higher = false;',
        },
      ],
    },
  ]),
  ...on({ profile: 'handover' }, [
    {
      name: 'renewal-after-release',
      breaks: 'L8: never serves again under that ballot',
      edits: [
        {
          file: 'agent/core/promotion.ts',
          find: 'dropRole(turn);\n  hearRelease(',
          replace:
            "changeHeld(turn, { stage: 'restarting', handover: null });\n" +
            "  order(turn, 'start_server');\n  if (turn.now < 0) hearRelease(",
        },
      ],
    },
  ]),
  ...on({ profile: 'duel-wipes' }, [
    {
      name: 'wiped-voter-votes-at-once',
      breaks: 'L9: does not vote until it has learned',
      edits: [
        {
          file: voter,
          find: 'if (state.disk === null) return { text:',
          replace: 'if (false) return { text:',
        },
      ],
    },
    {
      name: 'wiped-voter-asks-only-one',
      breaks: 'L9: a majority of the others',
      edits: [
        {
          file: learning,
          find: 'taught.length * 2 > asked.length',
          replace: 'taught.length > 0',
        },
      ],
    },
    {
      name: 'two-wiped-voters-teach-each-other',
      breaks: 'L9: voters that have not learned do not answer',
      edits: [
        {
          file: learning,
          find: "answer: disk === null ? 'fresh' : 'record',",
          replace: "answer: 'record',",
        },
      ],
    },
  ]),
  ...on({ profile: 'aimed', plot: 'wiped-between' }, [
    {
      name: 'learns-during-its-silence',
      breaks: 'L9: after its silence',
      edits: [
        {
          file: learning,
          find: 'if (isSilent(state, now)) {\n    arm(turn, ',
          replace: 'if (false) {\n    arm(turn, ',
        },
      ],
    },
  ]),
  ...on({ profile: 'aimed', plot: 'many-leave' }, [
    {
      name: 'next-change-without-commit',
      breaks: 'L10: one voter in or out at a time',
      edits: [
        {
          file: 'agent/core/lease/membership.ts',
          find: '  if (!disk.list.committed) return;\n',
          replace: '',
        },
        {
          file: 'agent/core/lease/membership.ts',
          find: '.find((one) => commitsSoon(turn, one))',
          replace: '[0]',
        },
      ],
    },
  ]),
  ...on({ profile: 'duel-lists' }, [
    {
      name: 'candidate-ignores-a-newer-list',
      breaks: 'L4, L10',
      edits: [
        olderList,
        {
          file: candidate,
          find: 'if (compareLists(message.list, attempt.list) > 0) {',
          replace: 'if (false) {',
        },
        {
          file: candidate,
          find: 'if (message.list !== null && compareLists(message.list, attempt.list) > 0) {',
          replace: 'if (false) {',
        },
      ],
    },
    {
      name: 'list-number-without-epoch',
      breaks: 'L10: ordered by epoch, then number',
      edits: [
        {
          file: lists,
          find: 'a.epoch - b.epoch || a.number - b.number',
          replace: 'a.number - b.number',
        },
      ],
    },
    {
      name: 'predecessor-left-out',
      breaks: 'L10: majorities of the list and of its predecessor',
      edits: [
        {
          file: lists,
          find:
            'list.committed || list.previous.length === 0 ' +
            '? [list.members] : [list.members, list.previous];',
          replace: '[list.members];',
        },
      ],
    },
  ]),
  ...on({ profile: 'duel', nodes: 2 }, [
    {
      name: 'pinned-without-own-lock',
      breaks: 'L11: its own voter included',
      edits: [
        {
          file: rounds,
          find: '  const answer = answerPropose(turn, config.node, propose);\n',
          replace: `  if (turn.state.run.held !== null && list.members.length === 2) {
      const { nonce } = turn.state;
      const own = { kind: 'accept', ballot, round: number, nonce, position: null, list } as const;
      return countAccept(turn, config.node, own);
    }
    const answer = answerPropose(turn, config.node, propose);
  `,
        },
      ],
    },
  ]),
];

export const leaseMutants = core;
