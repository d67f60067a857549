// The runtime: plain Java 8, so that it runs on any Android and on a desktop.

plugins {
    `java-library`
}

java {
    sourceCompatibility = JavaVersion.VERSION_1_8
    targetCompatibility = JavaVersion.VERSION_1_8
}

tasks.processResources {
    // The tokenizer's frozen table: Python and Java read the same file.
    from("../../src/kdbuild/runtime/text/unicode.tsv") {
        into("dev/kdbuild/core")
    }
}

dependencies {
    testImplementation(libs.junit)
    testImplementation(libs.bytedeco.tensorflow.lite)
    testRuntimeOnly(variantOf(libs.bytedeco.tensorflow.lite) { classifier("linux-x86_64") })
    testRuntimeOnly(variantOf(libs.javacpp) { classifier("linux-x86_64") })
}
