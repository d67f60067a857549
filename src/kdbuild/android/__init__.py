"""What an Android app is built from: pinned files of Maven repositories, and a Java compiler."""
