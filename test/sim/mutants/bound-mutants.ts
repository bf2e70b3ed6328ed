/** Deliberate errors against the bounds of memory, of queues and of what a full disk is asked. */
import { type Mutant, on } from './edits.ts';

const follow = 'agent/core/follow.ts';

export const boundMutants: readonly Mutant[] = [
  ...on({ profile: 'duel' }, [
    {
      name: 'reasons-never-cut',
      breaks: 'memory is bounded: the last 64 reasons',
      edits: [
        {
          file: 'agent/core/turn.ts',
          find: 'turn.state.reasons.slice(1 - keptReasons)',
          replace: 'turn.state.reasons',
        },
      ],
    },
    {
      name: 'announcements-are-passed-on',
      breaks: 'queues are bounded: nobody answers a message with two of its kind',
      edits: [
        {
          file: follow,
          find: 'if (message.master !== from || !isEligible(config, from) ||',
          replace: 'if (message.master === config.node || !isEligible(config, message.master) ||',
        },
        {
          file: follow,
          find:
            'if (before !== null && before.epoch === message.epoch && before.master !== from) ' +
            'return;',
          replace: '',
        },
        { file: follow, find: '    master: from,\n', replace: '    master: message.master,\n' },
        {
          file: follow,
          find: '  hearLiving(turn, from);\n',
          replace:
            '  for (const node of others(config)) if (node !== from) send(turn, node, message);\n',
        },
      ],
    },
  ]),
  ...on({ profile: 'disk' }, [
    {
      name: 'failed-write-is-written-again-at-once',
      breaks: 'a full disk does not spin: a failed write is repeated later',
      edits: [
        {
          file: 'agent/core/mastership.ts',
          find: '  if (turn.state.run.held === null) arm(turn, ',
          replace: '  updateRun(turn, {});\n  if (turn.state.run.held === null) arm(turn, ',
        },
        {
          file: 'agent/core/mastership.ts',
          find: "type Turn, update } from './turn.ts'",
          replace: "type Turn, update, updateRun } from './turn.ts'",
        },
      ],
    },
  ]),
  ...on({ profile: 'membership' }, [
    {
      name: 'silence-counts-from-before-the-return',
      breaks: 'L10: a voter that was taken in has its time to answer',
      edits: [
        {
          file: 'agent/core/lease/membership.ts',
          find: 'state.takenIn[node] ?? 0',
          replace: '0',
        },
      ],
    },
    {
      name: 'change-begun-whoever-is-there',
      breaks: 'L10: a change that nobody can commit binds both lists',
      edits: [
        {
          file: 'agent/core/lease/membership.ts',
          find: '  return hasMajority(list, there);',
          replace: '  return true;',
        },
      ],
    },
    {
      name: 'master-off-its-own-list',
      breaks: 'L10: who won with the votes of others is a voter like them',
      edits: [
        {
          file: 'agent/core/lease/membership.ts',
          find: '[...state.joining, config.node]',
          replace: 'state.joining',
        },
      ],
    },
  ]),
];
