/* The page's files as they are, so that the binary needs no others. page.js is several files, one
 * behind the other: a browser that asks once shows the page sooner. Paths are from the top folder,
 * where make runs; the Makefile knows that this depends on them. */
        .section .rodata, "a", %progbits

        .globl  page_html_begin, page_html_end
page_html_begin:
        .incbin "src/control/page/index.html"
page_html_end:

        .globl  page_css_begin, page_css_end
page_css_begin:
        .incbin "src/control/page/page.css"
page_css_end:

        .globl  page_js_begin, page_js_end
page_js_begin:
        .incbin "src/control/page/base.js"
        .incbin "src/control/page/health.js"
        .incbin "src/control/page/graph.js"
        .incbin "src/control/page/partitions.js"
        .incbin "src/control/page/timeline.js"
        .incbin "src/control/page/details.js"
        .incbin "src/control/page/actions.js"
        .incbin "src/control/page/main.js"
page_js_end:

        .section .note.GNU-stack, "", %progbits
