package dev.kdbuild.android;

import android.content.res.AssetManager;
import dev.kdbuild.core.ArtefactSource;
import java.io.IOException;
import java.io.InputStream;

/** An artefact among the assets of an app. */
public final class AssetSource implements ArtefactSource {
    private final AssetManager assets;
    private final String folder;

    /**
     * Names the folder.
     *
     * @param assets of the app, as {@code context.getAssets()} gives them
     * @param folder the artefact's, as it is called there
     */
    public AssetSource(AssetManager assets, String folder) {
        this.assets = assets;
        this.folder = folder;
    }

    @Override
    public InputStream open(String name) throws IOException {
        return assets.open(folder + "/" + name, AssetManager.ACCESS_STREAMING);
    }

    @Override
    public String toString() {
        return "assets/" + folder;
    }
}
