"""Reports: what a run did, as one HTML file that needs nothing else.

    evidence   what a run hands over        gathering, data_summary, marks   reading its files
    run_report what the page says, as data  readings, concerns               what a careful reader would say of it
    views      figures drawn, rows sorted   page, templates/, palette        the page

`gather(evidence)` and then `write_report(report, path)` is all that others need. Loads no torch.
"""
