package dev.kdbuild.core;

import java.lang.reflect.Field;

/** Engines by the name of their class, so that a test may run one that it wasn't compiled with. */
final class Engines {
    private Engines() {}

    /** The {@code FACTORY} of a class. */
    static EngineFactory named(String name) throws ReflectiveOperationException {
        Field factory = Class.forName(name).getDeclaredField("FACTORY");
        return (EngineFactory) factory.get(null);
    }
}
