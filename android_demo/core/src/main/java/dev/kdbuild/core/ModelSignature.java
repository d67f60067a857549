package dev.kdbuild.core;

import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.PublicKey;
import java.security.Signature;
import java.security.spec.X509EncodedKeySpec;
import java.util.Arrays;

/**
 * The signature of a model file: ECDSA over P-256 with SHA-256, in its last 128 bytes, as {@code kdbuild sign} puts it there.
 */
public final class ModelSignature {
    private static final byte[] MARK = {'K', 'D', 'B', 'S', 'I', 'G', 'N', 1};
    private static final int TRAILER = 128;
    private static final int KEY_ID = 16;
    private static final int SIGNED = MARK.length + KEY_ID + 8;
    private static final int NUMBER = 32;
    private static final BigInteger ORDER =
            new BigInteger("FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551", 16);

    /** Grows from one model to the next. */
    public final long serial;

    private ModelSignature(long serial) {
        this.serial = serial;
    }

    /**
     * Checks the signature of a file.
     *
     * @param name of the file, for messages
     * @param content all its bytes, from the buffer's position to its limit
     * @param publicKey who must have signed it, in DER as SubjectPublicKeyInfo
     * @throws ArtefactException it isn't signed, or by somebody else, or it was changed; or the key is none
     */
    public static ModelSignature check(String name, ByteBuffer content, byte[] publicKey) throws ArtefactException {
        ByteBuffer file = content.duplicate().order(ByteOrder.LITTLE_ENDIAN);
        byte[] trailer = new byte[TRAILER];
        if (file.remaining() >= TRAILER) {
            ByteBuffer end = file.duplicate();
            end.position(file.limit() - TRAILER);
            end.get(trailer);
        }
        if (!Arrays.equals(Arrays.copyOf(trailer, MARK.length), MARK)) {
            throw new ArtefactException(name + ": isn't signed. Sign it with: kdbuild sign");
        }
        byte[] keyId = Arrays.copyOf(Artefact.sha256().digest(publicKey), KEY_ID);
        if (!Arrays.equals(Arrays.copyOfRange(trailer, MARK.length, MARK.length + KEY_ID), keyId)) {
            throw new ArtefactException(name + ": is signed with another key. Get it from its maker.");
        }
        file.limit(file.limit() - TRAILER + SIGNED);
        if (!holds(file, trailer, key(publicKey))) {
            throw new ArtefactException(
                    name + ": its signature doesn't hold: it was changed. Get it from its maker again.");
        }
        return new ModelSignature(ByteBuffer.wrap(trailer).order(ByteOrder.LITTLE_ENDIAN).getLong(SIGNED - 8));
    }

    private static PublicKey key(byte[] publicKey) throws ArtefactException {
        try {
            return KeyFactory.getInstance("EC").generatePublic(new X509EncodedKeySpec(publicKey));
        } catch (GeneralSecurityException error) {
            throw new ArtefactException("public key: not one of the curve P-256 in DER. Make one with: kdbuild sign", error);
        }
    }

    private static boolean holds(ByteBuffer signed, byte[] trailer, PublicKey key) {
        BigInteger r = new BigInteger(1, Arrays.copyOfRange(trailer, SIGNED, SIGNED + NUMBER));
        BigInteger s = new BigInteger(1, Arrays.copyOfRange(trailer, SIGNED + NUMBER, SIGNED + 2 * NUMBER));
        if (r.signum() == 0 || s.signum() == 0 || r.compareTo(ORDER) >= 0 || s.compareTo(ORDER) >= 0) {
            return false;
        }
        try {
            Signature signature = Signature.getInstance("SHA256withECDSA");
            signature.initVerify(key);
            signature.update(signed);
            return signature.verify(der(r, s));
        } catch (GeneralSecurityException error) {
            return false;
        }
    }

    /** The two numbers as ASN.1 has them: a sequence of two integers, each below 128 bytes. */
    private static byte[] der(BigInteger r, BigInteger s) {
        byte[] first = r.toByteArray();
        byte[] second = s.toByteArray();
        ByteBuffer der = ByteBuffer.allocate(6 + first.length + second.length);
        der.put((byte) 0x30).put((byte) (4 + first.length + second.length));
        der.put((byte) 2).put((byte) first.length).put(first);
        der.put((byte) 2).put((byte) second.length).put(second);
        return der.array();
    }
}
