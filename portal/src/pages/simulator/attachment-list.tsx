import { Icon } from '../../design/icon.tsx';
import { fileKind, formatBytes, isPicture } from './file-words.ts';
import { useSimulatorView } from './simulator-context.ts';
import type { Attached } from './use-attachments.ts';

interface AttachmentListProps {
  readonly attached: readonly Attached[];
  readonly onRemove: (key: string) => void;
}

/** What will go along with the message that is being written. */
export function AttachmentList({ attached, onRemove }: AttachmentListProps) {
  const { simulator, workspace } = useSimulatorView();
  if (attached.length === 0) return null;
  return (
    <ul className="attached" aria-label="Attached files">
      {attached.map(({ key, name, sizeBytes, file }) => (
        <li key={key} aria-busy={file === null}>
          {file !== null && isPicture(file.mediaType) ? (
            <img src={simulator.fileAddress(workspace.id, file.id)} alt="" />
          ) : (
            <Icon name="file" size={18} />
          )}
          <span className="attached-name">
            <strong>{name}</strong>
            <span>{file === null ? 'Uploading…' : `${fileKind(name)} · ${formatBytes(sizeBytes)}`}</span>
          </span>
          <button
            type="button"
            className="icon-button"
            aria-label={`Remove ${name}`}
            onClick={() => onRemove(key)}
          >
            <Icon name="close" size={15} />
          </button>
        </li>
      ))}
    </ul>
  );
}
