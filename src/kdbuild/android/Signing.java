import com.android.apksig.ApkSigner;
import com.android.apksig.ApkVerifier;
import java.io.File;
import java.io.IOException;
import java.security.KeyStore;
import java.security.MessageDigest;
import java.security.PrivateKey;
import java.security.cert.Certificate;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/** Signs an APK with the schemes 2 and 3, or verifies one. */
final class Signing {
    private static final int MIN_SDK = 24;

    public static void main(String[] arguments) throws Exception {
        try {
            if (arguments[0].equals("sign")) {
                sign(arguments);
            } else {
                verify(new File(arguments[1]));
            }
        } catch (Refusal | IOException error) {
            System.err.println(error.getMessage());
            System.exit(1);
        }
    }

    private static final class Refusal extends Exception {
        private static final long serialVersionUID = 1L;

        Refusal(String message) {
            super(message);
        }
    }

    /** Takes the APK to sign, where to write it, the key store, the alias, and the variable with the password. */
    private static void sign(String[] arguments) throws Exception {
        char[] password = System.getenv(arguments[5]).toCharArray();
        KeyStore store = KeyStore.getInstance(new File(arguments[3]), password);
        String alias = arguments[4];
        if (!store.isKeyEntry(alias)) {
            throw new Refusal("it holds no key called " + alias + ", but " + Collections.list(store.aliases()));
        }
        List<X509Certificate> chain = new ArrayList<>();
        for (Certificate certificate : store.getCertificateChain(alias)) {
            chain.add((X509Certificate) certificate);
        }
        PrivateKey key = (PrivateKey) store.getKey(alias, password);
        ApkSigner.SignerConfig signer = new ApkSigner.SignerConfig.Builder("KEY", key, chain).build();
        new ApkSigner.Builder(Collections.singletonList(signer))
                .setInputApk(new File(arguments[1]))
                .setOutputApk(new File(arguments[2]))
                .setMinSdkVersion(MIN_SDK)
                .setV1SigningEnabled(false)
                .setV2SigningEnabled(true)
                .setV3SigningEnabled(true)
                .setV4SigningEnabled(false)
                .setAlignmentPreserved(true)
                .setOtherSignersSignaturesPreserved(false)
                .build()
                .sign();
    }

    private static void verify(File apk) throws Exception {
        ApkVerifier.Result result = new ApkVerifier.Builder(apk).setMinCheckedPlatformVersion(MIN_SDK).build().verify();
        for (ApkVerifier.IssueWithParams error : result.getErrors()) {
            System.out.println("error " + error);
        }
        System.out.println("verified " + result.isVerified());
        System.out.println("v2 " + result.isVerifiedUsingV2Scheme());
        System.out.println("v3 " + result.isVerifiedUsingV3Scheme());
        for (X509Certificate certificate : result.getSignerCertificates()) {
            StringBuilder hex = new StringBuilder();
            for (byte value : MessageDigest.getInstance("SHA-256").digest(certificate.getEncoded())) {
                hex.append(String.format("%02x", value));
            }
            System.out.println("certificate " + hex);
        }
    }
}
