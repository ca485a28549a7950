import { randomBytes } from 'node:crypto';
import {
  acceptedContent,
  CLIENT_CAPABILITIES_META_KEY,
  createRequestStateCodec,
  inputRequired,
  inputResponse,
  ProtocolError,
  ProtocolErrorCode,
  type ClientCapabilities,
  type InputRequests,
  type PrimitiveSchemaDefinition,
  type ServerContext,
} from '@modelcontextprotocol/server';
import { said, type Prompt } from './prompts.ts';
import { text, type Tool } from './tools.ts';

/** State that goes through the client and comes back is signed; it holds only for this process. */
const states = createRequestStateCodec<string>({ key: randomBytes(32) });

const askName = askUser('What is your name?', 'name');
const confirm = askUser('Please confirm', 'ok', { type: 'boolean' });

/** A form with one field. */
function askUser(message: string, field: string, kind: PrimitiveSchemaDefinition = { type: 'string' }) {
  return inputRequired.elicit({
    message,
    requestedSchema: { type: 'object', properties: { [field]: kind }, required: [field] },
  });
}

function sample(words: string, maxTokens: number) {
  return inputRequired.createMessage({ messages: [{ role: 'user', content: { type: 'text', text: words } }], maxTokens });
}

/** Asks for `inputRequests`, with the round that was reached as signed state. */
async function askWith(round: string, inputRequests: InputRequests) {
  return inputRequired({ inputRequests, requestState: await states.mint(round) });
}

/**
 * The round that the client was told it had reached; undefined in the first.
 * @throws ProtocolError when the state is not one of ours
 */
async function round(context: ServerContext): Promise<string | undefined> {
  const state = context.mcpReq.requestState<string>();
  if (state === undefined) return undefined;
  try {
    return await states.verify(state, context);
  } catch {
    throw new ProtocolError(ProtocolErrorCode.InvalidParams, 'Invalid or expired requestState');
  }
}

function answered(context: ServerContext, ...keys: string[]): boolean {
  return keys.every((key) => inputResponse(context.mcpReq.inputResponses, key).kind !== 'missing');
}

function namedBy(context: ServerContext, key: string, field: string): string | undefined {
  const value = acceptedContent(context.mcpReq.inputResponses, key)?.[field];
  return typeof value === 'string' ? value : undefined;
}

export const inputRequiredTools: Record<string, Tool> = {
  test_input_required_result_elicitation: {
    description: 'Greets whoever says a name',
    run: ({ context }) => {
      const name = namedBy(context, 'user_name', 'name');
      return name === undefined ? inputRequired({ inputRequests: { user_name: askName } }) : text(`Hello, ${name}!`);
    },
  },
  test_input_required_result_sampling: {
    description: 'Passes on what the model of the client says',
    run: ({ context }) => {
      const answer = inputResponse(context.mcpReq.inputResponses, 'capital_question');
      if (answer.kind === 'sampling') return text(`The model said ${JSON.stringify(answer.result.content)}`);
      return inputRequired({ inputRequests: { capital_question: sample('What is the capital of France?', 100) } });
    },
  },
  test_input_required_result_list_roots: {
    description: 'Names the roots of the client',
    run: ({ context }) => {
      const answer = inputResponse(context.mcpReq.inputResponses, 'client_roots');
      if (answer.kind === 'roots') return text(`Roots: ${answer.roots.map(({ uri }) => uri).join(', ')}`);
      return inputRequired({ inputRequests: { client_roots: inputRequired.listRoots() } });
    },
  },
  test_input_required_result_request_state: {
    description: 'Wants its state back',
    run: async ({ context }) =>
      (await round(context)) === 'confirming' && answered(context, 'confirm')
        ? text('state-ok')
        : askWith('confirming', { confirm }),
  },
  test_input_required_result_tampered_state: {
    description: 'Wants its state back as it was',
    run: async ({ context }) =>
      (await round(context)) === 'confirming' && answered(context, 'confirm')
        ? text('Confirmed')
        : askWith('confirming', { confirm }),
  },
  test_input_required_result_multiple_inputs: {
    description: 'Asks three things at once',
    run: async ({ context }) =>
      (await round(context)) === 'asked' && answered(context, 'user_name', 'greeting', 'client_roots')
        ? text('All three were answered')
        : askWith('asked', {
            user_name: askName,
            greeting: sample('Generate a greeting', 50),
            client_roots: inputRequired.listRoots(),
          }),
  },
  test_input_required_result_multi_round: {
    description: 'Asks one thing after the other',
    run: async ({ context }) => {
      const reached = await round(context);
      if (reached === 'colour' && answered(context, 'step2')) {
        return text(`A favourite colour is ${namedBy(context, 'step2', 'color')}`);
      }
      if (reached === 'name' && answered(context, 'step1')) {
        return askWith('colour', { step2: askUser('Step 2: What is your favorite color?', 'color') });
      }
      return askWith('name', { step1: askUser('Step 1: What is your name?', 'name') });
    },
  },
  test_input_required_result_capabilities: {
    description: 'Asks only what the client can answer',
    run: ({ context, server }) => {
      if (answered(context, 'sample') || answered(context, 'user_name')) return text('Answered');
      // One process may serve many clients, so in the newer era it is the request that says what its client can do.
      const envelope = context.mcpReq.envelope as Record<string, ClientCapabilities | undefined> | undefined;
      const can = envelope?.[CLIENT_CAPABILITIES_META_KEY] ?? server.getClientCapabilities() ?? {};
      const inputRequests: InputRequests = {
        ...(can.elicitation && { user_name: askName }),
        ...(can.sampling && { sample: sample('Anything', 10) }),
      };
      if (Object.keys(inputRequests).length === 0) return text('There is nothing this client could answer');
      return inputRequired({ inputRequests });
    },
  },
};

/** A prompt that needs to know something first. */
export const askForContext: Prompt = {
  name: 'test_input_required_result_prompt',
  description: 'A prompt that asks for its context',
  get: (_args, context) => {
    const given = namedBy(context, 'user_context', 'context');
    if (given !== undefined) return said({ type: 'text', text: `Prompt about ${given}` });
    return inputRequired({ inputRequests: { user_context: askUser('What context should the prompt use?', 'context') } });
  },
};
