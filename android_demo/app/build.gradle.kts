import javax.inject.Inject

plugins {
    alias(libs.plugins.android.application)
}

/** Puts what the app needs of an artefact among its assets. */
abstract class ArtefactAssets : DefaultTask() {
    @get:InputDirectory
    @get:PathSensitive(PathSensitivity.RELATIVE)
    abstract val artefact: DirectoryProperty

    @get:OutputDirectory
    abstract val assets: DirectoryProperty

    @get:Inject
    abstract val files: FileSystemOperations

    @TaskAction
    fun copy() {
        val folder = artefact.get().asFile
        val model = listOf("model_int8.tflite", "model_fp32.tflite").firstOrNull { folder.resolve(it).exists() }
            ?: throw GradleException("$folder: has no TFLite model. Export it with: kdbuild export RUN --format tflite")
        files.sync {
            from(folder) {
                include("manifest.json", "manifest.sha256", "labels.txt", "vocab.txt", "golden.jsonl", model)
            }
            into(assets.dir("artefact"))
        }
    }
}

// Your own: ./gradlew -Pkdbuild.artefact=/path/to/artefact :app:assembleDebug
val artefactAssets = tasks.register<ArtefactAssets>("artefactAssets") {
    artefact.set(rootProject.layout.projectDirectory.dir(providers.gradleProperty("kdbuild.artefact").orElse("models/sst2")))
}

android {
    namespace = "dev.kdbuild.app"
    compileSdk = 36

    defaultConfig {
        applicationId = "dev.kdbuild.app"
        minSdk = 24
        targetSdk = 36
        versionCode = 1
        versionName = "0.1.0"
    }

    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_1_8
        targetCompatibility = JavaVersion.VERSION_1_8
    }

    androidResources {
        noCompress += "tflite"
    }

    sourceSets.named("main") {
        java.srcDir("../core/src/tflite/java")
    }

    sourceSets.named("test") {
        java.srcDir("../core/src/test/java")
    }

    testOptions {
        unitTests.isIncludeAndroidResources = true
    }
}

androidComponents {
    onVariants { variant ->
        variant.sources.assets?.addGeneratedSourceDirectory(artefactAssets, ArtefactAssets::assets)
    }
}

dependencies {
    implementation(project(":core"))
    // The same Java interface as TensorFlow Lite's, with native libraries for 16 KB pages.
    implementation(libs.litert)

    testImplementation(libs.junit)
    testImplementation(libs.robolectric)
    testImplementation(libs.bytedeco.tensorflow.lite)
    testRuntimeOnly(variantOf(libs.bytedeco.tensorflow.lite) { classifier("linux-x86_64") })
    testRuntimeOnly(variantOf(libs.javacpp) { classifier("linux-x86_64") })
}
