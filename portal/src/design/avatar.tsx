interface AvatarProps {
  readonly id: string;
  readonly name: string;
  readonly isAgent: boolean;
  readonly small?: boolean;
}

const TONES = 5;

/** Initials in a colour that stays with the person. The name stands beside it, so it is decoration. */
export function Avatar({ id, name, isAgent, small = false }: AvatarProps) {
  const tone = [...id].reduce((sum, character) => sum + (character.codePointAt(0) ?? 0), 0) % TONES;
  const look = isAgent ? 'avatar-agent' : `avatar-${tone}`;
  return (
    <span className={`avatar ${look} ${small ? 'avatar-small' : ''}`} aria-hidden="true">
      {initials(name)}
    </span>
  );
}

export function initials(name: string): string {
  const words = name.split(/[\s._-]+/).filter(Boolean);
  const letters = words.length > 1 ? [words[0], words.at(-1)] : [words[0]];
  return letters.map((word) => [...(word ?? '')][0]?.toUpperCase() ?? '').join('');
}
