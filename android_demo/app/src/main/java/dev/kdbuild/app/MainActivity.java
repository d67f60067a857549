package dev.kdbuild.app;

import android.app.Activity;
import android.content.Intent;
import android.os.Bundle;
import android.os.Handler;
import android.os.Looper;
import android.text.Editable;
import android.text.TextWatcher;
import android.view.Menu;
import android.view.MenuItem;
import android.view.View;
import android.widget.EditText;
import android.widget.TextView;
import java.text.NumberFormat;
import java.util.concurrent.atomic.AtomicInteger;

/** A text field and the answer to what stands in it; also what other apps share their texts to. */
public final class MainActivity extends Activity {
    /** How long typing must pause before the text is answered, in milliseconds. */
    static final long PAUSE = 150;

    private final Handler handler = new Handler(Looper.getMainLooper());
    private final Runnable ask = this::ask;
    /** Counts the questions, so that none but the last is answered; the worker reads it. */
    private final AtomicInteger questions = new AtomicInteger();

    private Model model;
    private AnswerPanel panel;
    private EditText text;

    @Override
    protected void onCreate(Bundle savedInstanceState) {
        super.onCreate(savedInstanceState);
        setContentView(R.layout.main);
        Edges.keepClear(findViewById(R.id.root));
        setActionBar(findViewById(R.id.toolbar));
        model = ((App) getApplication()).model();
        panel = new AnswerPanel(this);
        text = findViewById(R.id.text);
        View clear = findViewById(R.id.clear);
        clear.setOnClickListener(view -> text.setText(""));
        // The text is kept by the field itself when the screen is turned, and answered again.
        text.addTextChangedListener(new TextWatcher() {
            @Override
            public void beforeTextChanged(CharSequence before, int start, int count, int after) {}

            @Override
            public void onTextChanged(CharSequence now, int start, int before, int count) {}

            @Override
            public void afterTextChanged(Editable now) {
                questions.incrementAndGet();
                clear.setVisibility(now.length() == 0 ? View.INVISIBLE : View.VISIBLE);
                handler.removeCallbacks(ask);
                handler.postDelayed(ask, PAUSE);
            }
        });
        if (savedInstanceState == null) {
            show(getIntent());
        }
        TextView check = findViewById(R.id.check);
        check.setText(R.string.checking);
        model.check(found -> show(found, check));
    }

    /** Takes the text that another app shares. */
    private void show(Intent intent) {
        CharSequence shared = intent.getCharSequenceExtra(Intent.EXTRA_TEXT);
        if (Intent.ACTION_SEND.equals(intent.getAction()) && shared != null) {
            text.setText(shared.toString()); // without its formatting
            text.setSelection(text.length());
        }
    }

    private void ask() {
        String asked = text.getText().toString();
        int question = questions.get();
        if (asked.isEmpty()) {
            panel.clear();
            return;
        }
        model.ask(asked, () -> question == questions.get(), answer -> {
            if (question == questions.get() && !isDestroyed()) {
                panel.show(answer);
            }
        });
    }

    private void show(Check found, TextView check) {
        if (found == null) {
            check.setText("");
            if (text.length() == 0) {
                // It says why the model can't be loaded.
                model.ask("", () -> text.length() == 0, panel::show);
            }
        } else if (found.failure != null) {
            check.setText(getString(R.string.check_failed, found.failure));
            check.setTextColor(getColor(R.color.failure));
        } else {
            NumberFormat number = NumberFormat.getNumberInstance();
            number.setMaximumFractionDigits(4);
            check.setText(getResources().getQuantityString(
                    R.plurals.check_passed, found.texts, found.texts, number.format(found.tolerance), found.engine));
        }
    }

    @Override
    public boolean onCreateOptionsMenu(Menu menu) {
        getMenuInflater().inflate(R.menu.main, menu);
        return true;
    }

    @Override
    public boolean onOptionsItemSelected(MenuItem item) {
        if (item.getItemId() == R.id.benchmark) {
            startActivity(new Intent(this, BenchmarkActivity.class));
            return true;
        }
        return super.onOptionsItemSelected(item);
    }

    @Override
    protected void onDestroy() {
        handler.removeCallbacks(ask);
        questions.incrementAndGet();
        super.onDestroy();
    }
}
