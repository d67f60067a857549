/** What the runtime needs of Android, for any app. */
package dev.kdbuild.android;
