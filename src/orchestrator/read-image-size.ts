/** An image as its first bytes tell. Sizes in pixels. */
export interface ImageHeader {
  readonly mediaType: 'image/png' | 'image/jpeg' | 'image/gif' | 'image/webp';
  readonly width: number;
  readonly height: number;
}

/**
 * Reads what kind of image it is and how large, whatever its name or the platform says. `null`: none of the four that models
 * take, or damaged.
 *
 * Sources: https://www.w3.org/TR/png-3/#11IHDR, https://www.w3.org/Graphics/GIF/spec-gif89a.txt,
 * https://www.w3.org/Graphics/JPEG/itu-t81.pdf (B.2.2), https://developers.google.com/speed/webp/docs/riff_container
 */
export function readImageSize(content: Buffer): ImageHeader | null {
  try {
    return readPng(content) ?? readGif(content) ?? readWebp(content) ?? readJpeg(content);
  } catch (error) {
    if (error instanceof RangeError) return null; // it ends within its header
    throw error;
  }
}

function header(mediaType: ImageHeader['mediaType'], width: number, height: number): ImageHeader | null {
  return width > 0 && height > 0 ? { mediaType, width, height } : null;
}

function readPng(content: Buffer): ImageHeader | null {
  if (content.subarray(0, 8).toString('latin1') !== '\x89PNG\r\n\x1a\n') return null;
  if (content.subarray(12, 16).toString('latin1') !== 'IHDR') return null;
  return header('image/png', content.readUInt32BE(16), content.readUInt32BE(20));
}

function readGif(content: Buffer): ImageHeader | null {
  if (!/^GIF8[79]a$/.test(content.subarray(0, 6).toString('latin1'))) return null;
  return header('image/gif', content.readUInt16LE(6), content.readUInt16LE(8));
}

function readWebp(content: Buffer): ImageHeader | null {
  if (content.subarray(0, 4).toString('latin1') !== 'RIFF') return null;
  if (content.subarray(8, 12).toString('latin1') !== 'WEBP') return null;
  switch (content.subarray(12, 16).toString('latin1')) {
    case 'VP8 ':
      return header('image/webp', content.readUInt16LE(26) & 0x3fff, content.readUInt16LE(28) & 0x3fff);
    case 'VP8L': {
      const bits = content.readUInt32LE(21);
      return header('image/webp', (bits & 0x3fff) + 1, ((bits >>> 14) & 0x3fff) + 1);
    }
    case 'VP8X':
      return header('image/webp', content.readUIntLE(24, 3) + 1, content.readUIntLE(27, 3) + 1);
    default:
      return null;
  }
}

function readJpeg(content: Buffer): ImageHeader | null {
  if (content.readUInt16BE(0) !== 0xffd8) return null;
  let at = 2;
  for (;;) {
    if (content.readUInt8(at) !== 0xff) return null;
    const marker = content.readUInt8(at + 1);
    if (marker === 0xff) {
      at += 1; // fill bytes
      continue;
    }
    // Frames: SOF0 to SOF15, without the tables (DHT, JPG, DAC) that share their numbers.
    const isFrame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
    if (isFrame) return header('image/jpeg', content.readUInt16BE(at + 7), content.readUInt16BE(at + 5));
    if (marker === 0xda || marker === 0xd9) return null; // the picture begins, or it ends
    at += 2 + content.readUInt16BE(at + 2);
  }
}
