/**
 * The text of a part of a message. Gmail hands most texts over in UTF-8 whatever their header says, but not all; text
 * in another charset is hardly ever valid UTF-8.
 * @param charset as the header of the part names it
 */
export function decoded(bytes: Uint8Array, charset: string | undefined): string {
  // Charsets that switch by escape sequences look like ASCII.
  const switching = /^iso-2022-/i.test(charset ?? '') && bytes.includes(0x1b);
  return (switching ? undefined : strictly(bytes, 'utf-8')) ?? strictly(bytes, charset) ?? new TextDecoder('windows-1252').decode(bytes);
}

/** The text, or undefined where the bytes are not in the charset, or nobody knows it. */
export function strictly(bytes: Uint8Array, charset: string | undefined): string | undefined {
  try {
    return new TextDecoder(charset ?? 'utf-8', { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

const WORD = /=\?([^?*\s]+)(?:\*[^?]*)?\?([bq])\?([^?\s]*)\?=/gi;

/** A header with its encoded words (RFC 2047) decoded and its line folds undone. */
export function headerText(value: string): string {
  return value
    .replace(/\r?\n[ \t]*/g, ' ')
    .replace(/\?=\s+=\?/g, '?==?')
    .replace(WORD, (_word, charset: string, encoding: string, content: string) => {
      if (encoding.toLowerCase() === 'b') return decoded(Buffer.from(content, 'base64'), charset);
      const octets = content.replaceAll('_', ' ').replace(/=([0-9a-f]{2})/gi, (_hex, digits: string) => String.fromCharCode(parseInt(digits, 16)));
      return decoded(Buffer.from(octets, 'latin1'), charset);
    });
}

const ENTITIES: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'" };

/** Gmail escapes its snippets for HTML. */
export function snippetText(snippet: string): string {
  return snippet.replace(/&(amp|lt|gt|quot|#39);/g, (_entity, name: string) => ENTITIES[name]!);
}

/** HTML as a person would read it. The converter is loaded when it is first needed: it costs time at the start. */
export async function htmlText(html: string): Promise<string> {
  const { convert } = await import('html-to-text');
  return convert(html, {
    wordwrap: false,
    limits: { maxInputLength: 1_000_000, maxDepth: 200 },
    selectors: [
      { selector: 'a', options: { hideLinkHrefIfSameAsText: true } },
      { selector: 'img', format: 'skip' },
    ],
  });
}
