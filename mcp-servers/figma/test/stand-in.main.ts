import { run } from '../../runtime/test/stand-in.ts';
import credentials from './credentials.json' with { type: 'json' };
import { figma } from './stand-in.ts';

await run(figma(credentials.api_key).receive);
