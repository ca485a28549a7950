import { useState } from 'preact/hooks';
import type { McpType } from '../api/types.ts';
import { spoken } from '../ui/format.ts';

/** One of the types, as radio buttons: arrow keys go from one to the next. */
export function TypeChoice({
  types,
  chosen,
  onChoose,
}: {
  types: readonly McpType[];
  chosen: McpType | null;
  onChoose: (type: McpType) => void;
}) {
  // Who comes with a type in mind need not pass by all the others.
  const [all, setAll] = useState(chosen === null);
  const offered = all ? types : types.filter(({ name }) => name === chosen?.name);
  return (
    <fieldset class="type-choice">
      <legend>Type</legend>
      {offered.map((type) => (
        <label key={type.name} class="type-card">
          <input
            type="radio"
            name="type"
            value={type.name}
            checked={chosen?.name === type.name}
            onChange={() => onChoose(type)}
          />
          <span class="type-name">{type.display_name}</span>
          <span class="type-words">{type.description === '' ? type.name : type.description}</span>
          <span class="type-needs">
            {type.credential_fields.required.length === 0
              ? 'No account needed'
              : `Needs ${type.credential_fields.required.map(spoken).join(', ')}`}
          </span>
        </label>
      ))}
      {!all && (
        <button type="button" class="other-types" onClick={() => setAll(true)}>
          Choose another type
        </button>
      )}
      {types.length === 0 && (
        <p class="muted">
          There are no types. An administrator adds one with <code>minimcp types add FILE</code>.
        </p>
      )}
    </fieldset>
  );
}
