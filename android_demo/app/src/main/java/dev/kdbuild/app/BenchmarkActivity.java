package dev.kdbuild.app;

import android.app.Activity;
import android.content.Intent;
import android.os.Bundle;
import android.view.LayoutInflater;
import android.view.View;
import android.view.ViewGroup;
import android.widget.RadioGroup;
import android.widget.TextView;
import dev.kdbuild.core.Benchmark;
import java.text.NumberFormat;

/** Measures the model on this device, and shares the figures. */
public final class BenchmarkActivity extends Activity {
    private static final int[] THREADS = {1, 2, 4};
    private static final int[] BUTTONS = {R.id.threads_1, R.id.threads_2, R.id.threads_4};

    private BenchmarkJob job;

    @Override
    protected void onCreate(Bundle savedInstanceState) {
        super.onCreate(savedInstanceState);
        setContentView(R.layout.benchmark);
        Edges.keepClear(findViewById(R.id.root));
        setActionBar(findViewById(R.id.toolbar));
        getActionBar().setDisplayHomeAsUpEnabled(true);
        job = ((App) getApplication()).benchmark();
        this.<TextView>findViewById(R.id.about)
                .setText(getString(R.string.benchmark_about, getString(R.string.app_name)));
        findViewById(R.id.run).setOnClickListener(view -> job.start(threads()));
        findViewById(R.id.share).setOnClickListener(view -> share());
    }

    @Override
    protected void onStart() {
        super.onStart();
        job.tell(this::show);
        show();
    }

    @Override
    protected void onStop() {
        job.tell(null);
        super.onStop();
    }

    private int threads() {
        int chosen = this.<RadioGroup>findViewById(R.id.threads).getCheckedRadioButtonId();
        for (int index = 0; index < BUTTONS.length; index++) {
            if (BUTTONS[index] == chosen) {
                return THREADS[index];
            }
        }
        throw new IllegalStateException("no number of threads is chosen"); // one always is
    }

    private void show() {
        findViewById(R.id.run).setEnabled(!job.running);
        findViewById(R.id.progress).setVisibility(job.running ? View.VISIBLE : View.GONE);
        TextView failure = findViewById(R.id.failure);
        failure.setVisibility(job.failure == null ? View.GONE : View.VISIBLE);
        failure.setText(job.failure);
        findViewById(R.id.result).setVisibility(job.result == null ? View.GONE : View.VISIBLE);
        if (job.result != null) {
            show(job.result);
        }
    }

    private void show(Benchmark result) {
        ViewGroup figures = findViewById(R.id.figures);
        figures.removeAllViews();
        add(figures, R.string.cold_start, result.coldStartMicros);
        add(figures, R.string.p50, result.p50Micros);
        add(figures, R.string.p95, result.p95Micros);
        add(figures, R.string.mean, result.meanMicros);
        String threads = getResources().getQuantityString(R.plurals.measured_threads, job.threads, job.threads);
        NumberFormat number = NumberFormat.getIntegerInstance();
        this.<TextView>findViewById(R.id.measured)
                .setText(getString(
                        R.string.measured_with,
                        result.engine,
                        threads,
                        number.format(result.texts),
                        number.format(result.calls)));
    }

    private void add(ViewGroup figures, int name, double micros) {
        View row = LayoutInflater.from(this).inflate(R.layout.figure, figures, false);
        String number = NumberFormat.getIntegerInstance().format(Math.round(micros));
        String value = getString(R.string.micros, number);
        row.<TextView>findViewById(R.id.figure_name).setText(name);
        row.<TextView>findViewById(R.id.figure_value).setText(value);
        row.setContentDescription(getString(R.string.announced, getString(name), value));
        figures.addView(row);
    }

    private void share() {
        Intent send = new Intent(Intent.ACTION_SEND)
                .setType("text/plain") // what every app takes
                .putExtra(Intent.EXTRA_SUBJECT, getString(R.string.benchmark))
                .putExtra(Intent.EXTRA_TEXT, job.json());
        startActivity(Intent.createChooser(send, getString(R.string.share)));
    }
}
