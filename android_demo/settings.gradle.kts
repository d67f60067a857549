// Open this folder in Android Studio. The same sources build without Gradle: kdbuild android FOLDER --out app.apk

pluginManagement {
    repositories {
        google()
        mavenCentral()
        gradlePluginPortal()
    }
}

dependencyResolutionManagement {
    repositoriesMode.set(RepositoriesMode.FAIL_ON_PROJECT_REPOS)
    repositories {
        google()
        mavenCentral()
    }
}

rootProject.name = "kdbuild-demo"
include(":core", ":app")
