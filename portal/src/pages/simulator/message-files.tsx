import { useState } from 'react';
import type { ControlFile, ControlMessage } from '../../../../src/simulator/control-api.ts';
import { Icon } from '../../design/icon.tsx';
import { fileKind, formatBytes, isPicture } from './file-words.ts';
import { useSimulatorView } from './simulator-context.ts';
import './message-files.css';

/** What is attached to a message: pictures to look at, everything else by name. */
export function MessageFiles({ message }: { readonly message: ControlMessage }) {
  if (message.files.length === 0) return null;
  return (
    <ul className="files" aria-label="Files">
      {message.files.map((file) => (
        <li key={file.id}>
          <MessageFile file={file} workspaceId={message.workspaceId} />
        </li>
      ))}
    </ul>
  );
}

function MessageFile({ file, workspaceId }: { readonly file: ControlFile; readonly workspaceId: string }) {
  const { simulator } = useSimulatorView();
  const [isBroken, setBroken] = useState(false);
  const { id, name, mediaType, sizeBytes, isKept } = file;
  const address = simulator.fileAddress(workspaceId, id);
  if (isKept && isPicture(mediaType) && !isBroken) {
    return (
      <figure className="files-picture">
        <a href={address} target="_blank" rel="noopener" aria-label={`Open ${name}`}>
          <img src={address} alt={name} loading="lazy" onError={() => setBroken(true)} />
        </a>
        <figcaption>
          <span>{name}</span> {formatBytes(sizeBytes)}
        </figcaption>
      </figure>
    );
  }
  const words = (
    <>
      <span className="files-icon">
        <Icon name="file" size={20} />
      </span>
      <span className="files-name">
        <strong>{name}</strong>
        <span>
          {fileKind(name)} · {formatBytes(sizeBytes)}
          {!isKept && ' · no longer kept'}
        </span>
      </span>
    </>
  );
  if (!isKept) return <div className="files-card">{words}</div>;
  return (
    <a className="files-card" href={address} download={name}>
      {words}
      <span className="files-save">
        <Icon name="download" size={18} />
        <span className="visually-hidden">Download</span>
      </span>
    </a>
  );
}
