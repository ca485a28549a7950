import type { ElicitRequestFormParams, ElicitResult } from '@modelcontextprotocol/server';
import { inputRequired, inputResponse } from '@modelcontextprotocol/server';
import { text, type Tool, type ToolCall } from './tools.ts';

type Form = ElicitRequestFormParams['requestedSchema'];

/** A choice of values with titles beside them. */
const titled = (word: string) => [1, 2, 3].map((n) => ({ const: `value${n}`, title: `${['First', 'Second', 'Third'][n - 1]} ${word}` }));

const DEFAULTS: Form = {
  type: 'object',
  properties: {
    name: { type: 'string', description: 'User name', default: 'John Doe' },
    age: { type: 'integer', description: 'User age', default: 30 },
    score: { type: 'number', description: 'User score', default: 95.5 },
    status: { type: 'string', description: 'User status', enum: ['active', 'inactive', 'pending'], default: 'active' },
    verified: { type: 'boolean', description: 'Verification status', default: true },
  },
  required: [],
};

const ENUMS: Form = {
  type: 'object',
  properties: {
    untitledSingle: { type: 'string', enum: ['option1', 'option2', 'option3'] },
    titledSingle: { type: 'string', oneOf: titled('Option') },
    legacyEnum: {
      type: 'string',
      enum: ['opt1', 'opt2', 'opt3'],
      enumNames: ['Option One', 'Option Two', 'Option Three'],
    },
    untitledMulti: { type: 'array', items: { type: 'string', enum: ['option1', 'option2', 'option3'] } },
    titledMulti: { type: 'array', items: { anyOf: titled('Choice') } },
  },
  required: [],
};

/**
 * Asks the client on the stream of the call. Otherwise the question goes to the stream that clients open beside their
 * calls, and is lost if the first call is faster.
 */
const within = ({ context }: ToolCall) => ({ relatedRequestId: context.mcpReq.id });

/** Asks the user by a request of its own, as the older era does. */
async function ask(call: ToolCall, message: string, requestedSchema: Form): Promise<ElicitResult> {
  return call.context.mcpReq.elicitInput({ mode: 'form', message, requestedSchema }, within(call));
}

function completed({ action, content }: ElicitResult) {
  return text(`Elicitation completed: action=${action}, content=${JSON.stringify(content ?? {})}`);
}

export const elicitationTools: Record<string, Tool> = {
  test_sampling: {
    description: 'Has the client ask its model',
    inputSchema: { type: 'object', properties: { prompt: { type: 'string' } }, required: ['prompt'] },
    run: async (call) => {
      const content = { type: 'text' as const, text: String(call.args['prompt']) };
      const question = { messages: [{ role: 'user' as const, content }], maxTokens: 100 };
      const answer = await call.context.mcpReq.requestSampling(question, within(call));
      return text(`LLM response: ${'text' in answer.content ? answer.content.text : JSON.stringify(answer.content)}`);
    },
  },
  test_elicitation: {
    description: 'Asks the user',
    inputSchema: { type: 'object', properties: { message: { type: 'string' } }, required: ['message'] },
    run: async (call) => {
      const { action, content } = await ask(call, String(call.args['message']), {
        type: 'object',
        properties: {
          username: { type: 'string', description: "User's response" },
          email: { type: 'string', description: "User's email address" },
        },
        required: ['username', 'email'],
      });
      return text(`User response: action=${action}, content=${JSON.stringify(content ?? {})}`);
    },
  },
  test_elicitation_sep1034_defaults: {
    description: 'Asks the user with a default for every kind of value',
    run: async (call) => completed(await ask(call, 'Please review the defaults', DEFAULTS)),
  },
  test_elicitation_sep1330_enums: {
    description: 'Asks the user with every kind of choice',
    run: async (call) => completed(await ask(call, 'Please choose', ENUMS)),
  },
  test_streaming_elicitation: {
    description: 'Asks the user within a result, as the newer era does',
    run: ({ context }) => {
      const answer = inputResponse(context.mcpReq.inputResponses, 'name');
      if (answer.kind === 'elicit') return text(`User ${answer.action}`);
      const requestedSchema: Form = { type: 'object', properties: { name: { type: 'string' } } };
      return inputRequired({ inputRequests: { name: inputRequired.elicit({ message: 'What is your name?', requestedSchema }) } });
    },
  },
};
